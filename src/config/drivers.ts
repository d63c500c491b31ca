import { anything, boolean, duration, list, number, type Type, text } from './values.ts'

type Parameters = Readonly<Record<string, Type<unknown>>>

const S3: Parameters = {
  accelerate: boolean,
  accesskey: text,
  bucket: text,
  chunksize: number,
  credentialsconfigpath: text,
  encrypt: boolean,
  forcepathstyle: boolean,
  keyid: text,
  loglevel: text,
  multipartcombinesmallpart: boolean,
  multipartcopychunksize: number,
  multipartcopymaxconcurrency: number,
  multipartcopythresholdsize: number,
  objectacl: text,
  redirectendpoint: text,
  region: text,
  regionendpoint: text,
  rootdirectory: text,
  secretkey: text,
  secure: boolean,
  skipverify: boolean,
  storageclass: text,
  usedualstack: boolean,
  usefipsendpoint: boolean,
  useragent: text,
  v4auth: boolean,
  virtualhostedstyle: boolean
}

const GCS: Parameters = {
  bucket: text,
  chunksize: number,
  credentials: anything,
  keyfile: text,
  maxconcurrency: number,
  rootdirectory: text,
  useragent: text
}

const AZURE: Parameters = {
  accountkey: text,
  accountname: text,
  connectionstring: text,
  container: text,
  credentials: anything,
  max_retries: number,
  realm: text,
  retry_delay: duration,
  rootdirectory: text,
  serviceurl: text,
  skipverify: boolean
}

const SWIFT: Parameters = {
  applicationcredentialid: text,
  applicationcredentialname: text,
  applicationcredentialsecret: text,
  authurl: text,
  authversion: number,
  chunksize: number,
  container: text,
  domain: text,
  domainid: text,
  password: text,
  prefix: text,
  region: text,
  tenant: text,
  tenantid: text,
  tokenid: text,
  username: text
}

const OSS: Parameters = {
  accesskeyid: text,
  accesskeysecret: text,
  bucket: text,
  chunksize: number,
  encrypt: boolean,
  encryptionkeyid: text,
  endpoint: text,
  internal: boolean,
  region: text,
  rootdirectory: text,
  secure: boolean
}

/** Those of distribution and OpenShift that berth does not have, by section, with their parameters. */
export const ABSENT: Readonly<Record<'storage' | 'auth', Readonly<Record<string, Parameters>>>> = {
  storage: { s3: S3, s3aws: S3, gcs: GCS, azure: AZURE, swift: SWIFT, oss: OSS, inmemory: {} },
  auth: {
    silly: { realm: text, service: text },
    token: {
      autoredirect: boolean,
      autoredirectpath: text,
      issuer: text,
      jwks: text,
      realm: text,
      rootcertbundle: text,
      service: text,
      signingalgorithms: list('names of algorithms')
    }
  }
}

/** What berth has. */
export const PRESENT = { storage: ['filesystem'], auth: ['openshift', 'htpasswd', 'none'] } as const

/** Keys of `storage` that are no drivers. */
export const RESERVED = new Set(['maintenance', 'cache', 'delete', 'redirect', 'tag'])
