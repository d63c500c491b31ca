import { boolean, list, number, type Type, text } from './values.ts'

type Parameters = Readonly<Record<string, Type<unknown>>>

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

interface Absent {
  readonly parameters: Parameters
  /** What to do instead. */
  readonly why: string
}

/** Those of distribution and OpenShift that berth does not have, by section. */
export const ABSENT: Readonly<Record<'storage' | 'auth', Readonly<Record<string, Absent>>>> = {
  storage: {
    swift: {
      parameters: SWIFT,
      why: 'berth has no driver for swift: where the cloud offers the same objects by S3 as well (s3api), use s3 with its regionendpoint'
    },
    oss: {
      parameters: OSS,
      why: 'berth has no driver for oss: Alibaba’s store speaks S3 as well, use s3 with its regionendpoint'
    },
    inmemory: { parameters: {}, why: 'inmemory would forget everything at the next start: use filesystem' }
  },
  auth: {
    silly: { parameters: { realm: text, service: text }, why: 'silly is not there' },
    token: {
      parameters: {
        autoredirect: boolean,
        autoredirectpath: text,
        issuer: text,
        jwks: text,
        realm: text,
        rootcertbundle: text,
        service: text,
        signingalgorithms: list('names of algorithms')
      },
      why: 'token is not there yet'
    }
  }
}

/** What berth has. */
export const PRESENT = {
  storage: ['filesystem', 's3', 'gcs', 'azure'],
  auth: ['openshift', 'htpasswd', 'none']
} as const

/** Keys of `storage` that are no drivers. */
export const RESERVED = new Set(['maintenance', 'cache', 'delete', 'redirect', 'tag'])

/** Older names of drivers. */
export const FORMER: Readonly<Record<string, string>> = { s3aws: 's3' }
