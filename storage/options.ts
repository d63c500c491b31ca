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
  /** How often a blob is put together at most where others disturb it, and the first pause in between. -1: once. */
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

/** What gives clients another address than the driver's own; those of a list apply in its order. */
export type Middleware = CloudFront | BaseUrl | Rewrite

/** Signed URLs of AWS's CloudFront, in front of the bucket. */
export interface CloudFront {
  readonly name: 'cloudfront'
  /** With a slash at its end. */
  readonly baseurl: string
  /** The path of a PEM file. */
  readonly privatekey: string
  readonly keypairid: string
  /** Milliseconds. */
  readonly duration: number
  /** Whether clients in AWS's own networks, of any region or of `awsregion`, are sent to the bucket instead. */
  readonly ipfilteredby: 'none' | 'aws' | 'awsregion'
  readonly awsregion: readonly string[]
  /** Milliseconds between looks at `iprangesurl`. */
  readonly updatefrequency: number
  readonly iprangesurl: string
}

/** The key below a URL, unsigned. */
export interface BaseUrl {
  readonly name: 'redirect'
  readonly baseurl: string
}

/** Changes the driver's URL. */
export interface Rewrite {
  readonly name: 'rewrite'
  readonly scheme: string | undefined
  readonly host: string | undefined
  readonly trimpathprefix: string | undefined
}

export type DriverName = 'filesystem' | 's3' | 'gcs' | 'azure'

/** The configuration's, of `storage` and `middleware`. Of the object stores only the chosen one has a section. */
export interface StorageOptions {
  readonly driver: DriverName
  readonly filesystem: { readonly rootdirectory: string }
  readonly s3: S3Options | undefined
  readonly gcs: GcsOptions | undefined
  readonly azure: AzureOptions | undefined
  /** What all processes of the pod together may hold of bodies on their way to an object store. */
  readonly memory: number
  readonly redirect: {
    readonly disable: boolean
    /** Milliseconds. */
    readonly duration: number
  }
  readonly middleware: readonly Middleware[]
  readonly maintenance: { readonly readonly: { readonly enabled: boolean } }
}
