/**
 * What a driver is opened with: sections of the configuration, checked, with their defaults. Names are CNCF
 * distribution's; sizes are bytes, times milliseconds. Where a text is undefined it was not given; none is empty.
 */
export interface S3Options {
  /** Without both keys whatever the environment offers: variables, shared files, a web identity, a container, an instance. */
  readonly accesskey: string | undefined
  readonly secretkey: string | undefined
  /** The only shared configuration file that counts, profile `default`; never beside `accesskey`. */
  readonly credentialsconfigpath: string | undefined
  readonly bucket: string
  /** There is one, or a `regionendpoint`. */
  readonly region: string | undefined
  /** A URL, or a host without a scheme, for which `secure` says which. */
  readonly regionendpoint: string | undefined
  /** Scheme and host of signed URLs. */
  readonly redirectendpoint: string | undefined
  /** Settled: with `virtualhostedstyle`, and true for an endpoint that is not Amazon's where nothing was said. */
  readonly forcepathstyle: boolean
  readonly encrypt: boolean
  readonly keyid: string | undefined
  readonly secure: boolean
  readonly skipverify: boolean
  /** Of a part, 5 MiB to 5 GiB. */
  readonly chunksize: number
  readonly multipartcopychunksize: number
  readonly multipartcopymaxconcurrency: number
  readonly multipartcopythresholdsize: number
  readonly rootdirectory: string | undefined
  /** In capitals; `NONE`: none is sent. */
  readonly storageclass: string
  readonly objectacl: string
  readonly useragent: string | undefined
  readonly usedualstack: boolean
  readonly accelerate: boolean
  readonly usefipsendpoint: boolean
}

export interface GcsOptions {
  readonly bucket: string
  /** The path of a service account's key, or of an external account's document; not beside `credentials`. */
  readonly keyfile: string | undefined
  /** The same document. Without either: application default credentials. */
  readonly credentials: Readonly<Record<string, unknown>> | undefined
  readonly rootdirectory: string | undefined
  /** Of a part: a multiple of 256 KiB, at least 5 MiB. */
  readonly chunksize: number
  /** Of requests at once, 25 or more. */
  readonly maxconcurrency: number
  readonly useragent: string | undefined
  /** The Cloud KMS key that objects are encrypted with; without it the bucket's default. */
  readonly kmskeyname: string | undefined
}

export interface AzureOptions {
  readonly accountname: string
  readonly container: string
  /** Settled: with a key `shared_key`, with a client secret `client_secret`, else `default_credentials`. */
  readonly credentials:
    | { readonly type: 'shared_key'; readonly accountkey: string }
    | {
        readonly type: 'client_secret'
        readonly clientid: string
        readonly tenantid: string
        readonly secret: string
      }
    | { readonly type: 'default_credentials' }
  /** `core.windows.net`, say. */
  readonly realm: string
  /** Without it `https://<accountname>.blob.<realm>`. */
  readonly serviceurl: string | undefined
  readonly rootdirectory: string | undefined
  /** Whether names of blobs begin with a slash, as those of distribution 2 and OpenShift's registry do. Undefined: as
   *  what is there does. */
  readonly legacyrootprefix: boolean | undefined
  /** What a container is taken for in which there is nothing yet: true in a cluster of OpenShift. */
  readonly islegacy: boolean
  /** How often a pending copy is looked at, and after how long first. -1: never. */
  readonly max_retries: number
  readonly retry_delay: number
  readonly skipverify: boolean
}

/** What every driver gets of what is around it. */
export interface Surroundings {
  /** The process's: proxies, and what the clouds' libraries read. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** How much this process may hold of bodies that are on their way to the store. */
  readonly memory: number
  /** Then nothing may be written, not even to try. */
  readonly isReadOnly: boolean
  /** How long an address that clients are sent to is good for, in seconds. */
  readonly redirectSeconds: number
  readonly log: { info(text: string): void; warn(text: string): void }
  /** Told of each call to the store when it has ended: its name, how long it took, and the code of its fault. */
  readonly onCall?: ((operation: string, ms: number, code?: string) => void) | undefined
  /** Told of each one that is tried again. */
  readonly onRetry?: ((operation: string, code: string) => void) | undefined
}
