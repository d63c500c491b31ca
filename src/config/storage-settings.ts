import type { Setting } from './schema.ts'
import {
  ACLS,
  accountKey,
  document,
  endpoint,
  GIB,
  KIB,
  MIB,
  nameOf,
  realm,
  size,
  storageClass,
  url,
  userAgent
} from './storage-values.ts'
import { baseUrl, between, boolean, oneOf, text, textOf, whole } from './values.ts'

const PART = whole(5 * MIB, 5 * GIB)

/** Shared by those that go to an object store; distribution passes over it. */
const MEMORY = {
  type: size('a size from 32MiB to 64GiB, such as 64MiB', 32 * MIB, 64 * GIB),
  about:
    'how much all processes together hold of pushes on their way to the store; beyond it clients wait ([storage-objects.md](storage-objects.md#memory))'
}

const ROOT = { type: text, about: 'what all keys begin with; `/` is the same as nothing' }

export const S3_SETTINGS = {
  'storage.s3.bucket': { type: nameOf('a bucket'), about: 'the bucket; must be set with `storage: s3`' },
  'storage.s3.region': {
    type: text,
    about: 'its region, any that there is; must be set unless `regionendpoint` is'
  },
  'storage.s3.regionendpoint': {
    type: endpoint,
    about: 'another server than AWS’s for the region: a URL, or a host (see `secure`)'
  },
  'storage.s3.redirectendpoint': {
    type: baseUrl,
    about: 'scheme and host of the URLs that clients are sent to, where they reach the store by another name'
  },
  'storage.s3.forcepathstyle': {
    type: boolean,
    shown: '`true` with a `regionendpoint` that is not Amazon’s',
    about:
      'the bucket in the path, not in the host name. As with OpenShift it counts only with `regionendpoint`'
  },
  'storage.s3.virtualhostedstyle': { type: boolean, about: 'the opposite, as OpenShift says it' },
  'storage.s3.accesskey': {
    type: text,
    secret: true,
    about:
      'with `secretkey`; without both what the environment, a shared file, a web identity or the machine offers'
  },
  'storage.s3.secretkey': { type: text, secret: true, about: 'the key’s other half' },
  'storage.s3.credentialsconfigpath': {
    type: textOf('the path of a file'),
    about:
      'a shared configuration file of AWS, profile `default`, read anew when it changes; not beside `accesskey`'
  },
  'storage.s3.encrypt': {
    type: boolean,
    plain: 'false',
    about: '`true`: objects are encrypted by the store, with AES256, or with the key `keyid`'
  },
  'storage.s3.keyid': { type: text, about: 'the KMS key' },
  'storage.s3.secure': { type: boolean, plain: 'true', about: '`false`: HTTP where no scheme is given' },
  'storage.s3.skipverify': {
    type: boolean,
    plain: 'false',
    about: '`true` believes every certificate of the store: for tries only'
  },
  'storage.s3.chunksize': {
    type: PART,
    plain: String(10 * MIB),
    about: 'bytes of a part of an upload, 5 MiB to 5 GiB; there are 10,000 at most'
  },
  'storage.s3.multipartcopychunksize': {
    type: PART,
    plain: String(32 * MIB),
    about: 'bytes of a part that is copied within the store, 5 MiB to 5 GiB'
  },
  'storage.s3.multipartcopymaxconcurrency': {
    type: whole(1, 1000),
    plain: '100',
    about: 'how many parts of one object are copied at once'
  },
  'storage.s3.multipartcopythresholdsize': {
    type: whole(0, 5 * GIB),
    plain: String(32 * MIB),
    about: 'objects of so many bytes are copied in one piece'
  },
  'storage.s3.rootdirectory': ROOT,
  'storage.s3.storageclass': {
    type: storageClass,
    plain: 'STANDARD',
    about:
      '`STANDARD`, `NONE` (none is sent), `REDUCED_REDUNDANCY`, `STANDARD_IA`, `ONEZONE_IA`, `INTELLIGENT_TIERING`, `OUTPOSTS`, `GLACIER_IR`, `EXPRESS_ONEZONE`'
  },
  'storage.s3.objectacl': {
    type: oneOf(...ACLS),
    plain: 'private',
    about: 'the canned ACL of what is written; `none` sends none'
  },
  'storage.s3.useragent': { type: userAgent, about: 'what berth calls itself in requests to the store' },
  'storage.s3.usedualstack': { type: boolean, plain: 'false', about: 'AWS’s addresses of IPv4 and IPv6' },
  'storage.s3.accelerate': { type: boolean, plain: 'false', about: 'AWS’s Transfer Acceleration' },
  'storage.s3.usefipsendpoint': { type: boolean, plain: 'false', about: 'AWS’s FIPS endpoints' },
  'storage.s3.memory': { ...MEMORY, shown: '`64MiB`, or one `chunksize` for each process' }
} as const satisfies Record<string, Setting>

export const GCS_SETTINGS = {
  'storage.gcs.bucket': { type: nameOf('a bucket'), about: 'the bucket; must be set with `storage: gcs`' },
  'storage.gcs.keyfile': {
    type: textOf('the path of a JSON file'),
    about:
      'a service account’s key, or an external account’s document (workload identity). Without it, and `credentials`, application default credentials'
  },
  'storage.gcs.credentials': {
    type: document,
    secret: true,
    about: 'what such a file holds, as a section'
  },
  'storage.gcs.rootdirectory': ROOT,
  'storage.gcs.chunksize': {
    type: {
      ...whole(256 * KIB, 5 * GIB),
      expected: `a whole number from ${256 * KIB} to ${5 * GIB}, a multiple of ${256 * KIB}`,
      parse: (node) => {
        const bytes = whole(256 * KIB, 5 * GIB).parse(node)
        return bytes === undefined || bytes % (256 * KIB) > 0 ? undefined : bytes
      }
    },
    plain: String(16 * MIB),
    about: 'bytes of a part of an upload: a multiple of 256 KiB; less than 5 MiB is 5 MiB'
  },
  'storage.gcs.maxconcurrency': {
    type: whole(1, 10_000),
    plain: '50',
    about: 'how many requests run at once in each process; less than 25 is 25'
  },
  'storage.gcs.useragent': { type: userAgent, about: 'what berth calls itself in requests to the store' },
  'storage.gcs.kmskeyname': {
    type: text,
    about: 'the Cloud KMS key that objects are encrypted with; without it the bucket’s default'
  },
  'storage.gcs.memory': { ...MEMORY, shown: '`64MiB`, or one `chunksize` for each process' }
} as const satisfies Record<string, Setting>

export const AZURE_SETTINGS = {
  'storage.azure.accountname': {
    type: nameOf('a storage account'),
    about: 'the storage account; must be set with `storage: azure`'
  },
  'storage.azure.container': {
    type: nameOf('a container'),
    about: 'the container, which must be there; must be set with `storage: azure`'
  },
  'storage.azure.accountkey': {
    type: accountKey,
    secret: true,
    about:
      'the account’s key. Without it, and a client secret, what the environment or the machine offers, such as a workload identity'
  },
  'storage.azure.credentials.type': {
    type: oneOf('shared_key', 'client_secret', 'default_credentials', 'default'),
    shown: 'what is given',
    about: '`shared_key`, `client_secret` or `default_credentials`, as distribution 3 asks for it'
  },
  'storage.azure.credentials.clientid': { type: text, about: 'of a service principal' },
  'storage.azure.credentials.tenantid': { type: text, about: 'where it is known' },
  'storage.azure.credentials.secret': { type: text, secret: true, about: 'its secret' },
  'storage.azure.realm': {
    type: realm,
    plain: 'core.windows.net',
    about: 'the domain of the cloud, such as `core.chinacloudapi.cn`'
  },
  'storage.azure.serviceurl': {
    type: url,
    shown: '`https://<accountname>.blob.<realm>`',
    about: 'another URL, of Azure Stack or Azurite say'
  },
  'storage.azure.rootdirectory': ROOT,
  'storage.azure.legacyrootprefix': {
    type: boolean,
    shown: 'what the container holds',
    about:
      'whether names begin with a slash, as those of distribution 2 and OpenShift’s registry do ([storage-azure.md](storage-azure.md#the-leading-slash))'
  },
  'storage.azure.max_retries': {
    type: whole(-1, 100),
    plain: '5',
    about:
      'how often a blob is put together at most, where others push the same one at the same moment; `-1`: once ([storage-azure.md](storage-azure.md))'
  },
  'storage.azure.retry_delay': {
    type: between('a duration from 0s to 1m, such as 100ms', 0, 60_000),
    plain: '100ms',
    about: 'how long it waits in between, first, and so much more each time'
  },
  'storage.azure.skipverify': {
    type: boolean,
    plain: 'false',
    about: '`true` believes every certificate of the store: for tries only'
  },
  'storage.azure.memory': { ...MEMORY, shown: '`64MiB`, or 8 MiB for each process' }
} as const satisfies Record<string, Setting>
