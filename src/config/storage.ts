import type { AzureOptions, DriverName, GcsOptions, S3Options } from '../../storage/options.ts'
import { given, type Lookup } from './build.ts'
import type { Config } from './config.ts'
import type { Path } from './schema.ts'
import { MIB } from './storage-values.ts'
import type { Section } from './tree.ts'

/** How much a pod holds of pushes on their way to an object store, unless told otherwise. */
const MEMORY = 64 * MIB

/** Less than that S3 takes for no part but the last. */
const LEAST_PART = 5 * MIB

/** Of a block, which the driver says. */
const AZURE_PART = 8 * MIB

/** Distribution raises what is less, silently. */
const LEAST_CONCURRENCY = 25

export function buildStorage(value: Lookup, driver: DriverName, isLegacy: boolean): Config['storage'] {
  const s3 = driver === 's3' ? buildS3(value) : undefined
  const gcs = driver === 'gcs' ? buildGcs(value) : undefined
  return {
    driver,
    filesystem: {
      rootdirectory: value('storage.filesystem.rootdirectory'),
      reserve: value('storage.filesystem.reserve')
    },
    s3,
    gcs,
    azure: driver === 'azure' ? buildAzure(value, isLegacy) : undefined,
    memory: memoryOf(value, driver) ?? Math.max(MEMORY, partOf({ s3, gcs }) * value('http.processes')),
    redirect: {
      disable: value('storage.redirect.disable'),
      duration: value('storage.redirect.duration')
    },
    middleware: value('middleware.storage'),
    delete: { enabled: value('storage.delete.enabled') },
    maintenance: {
      readonly: { enabled: value('storage.maintenance.readonly.enabled') },
      uploadpurging: {
        enabled: value('storage.maintenance.uploadpurging.enabled'),
        age: value('storage.maintenance.uploadpurging.age'),
        interval: value('storage.maintenance.uploadpurging.interval'),
        dryrun: value('storage.maintenance.uploadpurging.dryrun')
      }
    }
  }
}

const partOf = ({ s3, gcs }: Pick<Config['storage'], 's3' | 'gcs'>): number =>
  (s3 ?? gcs)?.chunksize ?? AZURE_PART

const memoryOf = (value: Lookup, driver: DriverName): number | undefined =>
  driver === 'filesystem' ? undefined : value(`storage.${driver}.memory`)

function buildS3(value: Lookup): S3Options {
  const regionendpoint = value('storage.s3.regionendpoint')
  const virtual = value('storage.s3.virtualhostedstyle')
  const said = value('storage.s3.forcepathstyle') ?? (virtual === undefined ? undefined : !virtual)
  return {
    accesskey: value('storage.s3.accesskey'),
    secretkey: value('storage.s3.secretkey'),
    credentialsconfigpath: value('storage.s3.credentialsconfigpath'),
    bucket: value('storage.s3.bucket') ?? '',
    region: value('storage.s3.region'),
    regionendpoint,
    redirectendpoint: value('storage.s3.redirectendpoint'),
    // OpenShift's operator asks for it always, and its registry obeys only there.
    forcepathstyle: regionendpoint !== undefined && (said ?? !isAmazons(regionendpoint)),
    encrypt: value('storage.s3.encrypt'),
    keyid: value('storage.s3.keyid'),
    secure: value('storage.s3.secure'),
    skipverify: value('storage.s3.skipverify'),
    chunksize: value('storage.s3.chunksize'),
    multipartcopychunksize: value('storage.s3.multipartcopychunksize'),
    multipartcopymaxconcurrency: value('storage.s3.multipartcopymaxconcurrency'),
    multipartcopythresholdsize: value('storage.s3.multipartcopythresholdsize'),
    rootdirectory: value('storage.s3.rootdirectory'),
    storageclass: value('storage.s3.storageclass'),
    objectacl: value('storage.s3.objectacl'),
    useragent: value('storage.s3.useragent'),
    usedualstack: value('storage.s3.usedualstack'),
    accelerate: value('storage.s3.accelerate'),
    usefipsendpoint: value('storage.s3.usefipsendpoint')
  }
}

const isAmazons = (endpoint: string): boolean =>
  /\.amazonaws\.com(\.cn)?(:\d+)?\/?$/i.test(endpoint.replace(/^https?:\/\//i, ''))

function buildGcs(value: Lookup): GcsOptions {
  return {
    bucket: value('storage.gcs.bucket') ?? '',
    keyfile: value('storage.gcs.keyfile'),
    credentials: value('storage.gcs.credentials'),
    rootdirectory: value('storage.gcs.rootdirectory'),
    chunksize: Math.max(LEAST_PART, value('storage.gcs.chunksize')),
    maxconcurrency: Math.max(LEAST_CONCURRENCY, value('storage.gcs.maxconcurrency')),
    useragent: value('storage.gcs.useragent'),
    kmskeyname: value('storage.gcs.kmskeyname')
  }
}

function buildAzure(value: Lookup, islegacy: boolean): AzureOptions {
  return {
    accountname: value('storage.azure.accountname') ?? '',
    container: value('storage.azure.container') ?? '',
    credentials: azureCredentials(value),
    realm: value('storage.azure.realm'),
    serviceurl: value('storage.azure.serviceurl'),
    rootdirectory: value('storage.azure.rootdirectory'),
    legacyrootprefix: value('storage.azure.legacyrootprefix'),
    islegacy,
    max_retries: value('storage.azure.max_retries'),
    retry_delay: value('storage.azure.retry_delay'),
    skipverify: value('storage.azure.skipverify')
  }
}

/** Distribution 3 must be told which; OpenShift's registry takes a key if there is one, then a client secret. */
function azureCredentials(value: Lookup): AzureOptions['credentials'] {
  const accountkey = value('storage.azure.accountkey')
  const secret = value('storage.azure.credentials.secret')
  const type =
    value('storage.azure.credentials.type') ??
    (accountkey !== undefined ? 'shared_key' : secret !== undefined ? 'client_secret' : 'default')
  if (type === 'shared_key') return { type, accountkey: accountkey ?? '' }
  if (type !== 'client_secret') return { type: 'default_credentials' }
  return {
    type,
    clientid: value('storage.azure.credentials.clientid') ?? '',
    tenantid: value('storage.azure.credentials.tenantid') ?? '',
    secret: secret ?? ''
  }
}

/** What is wrong with settings of the storage together, by the setting that is to be changed. */
export function storageProblems(value: Lookup, root: Section, config: Config['storage']): [Path, string][] {
  const { driver, memory, middleware } = config
  const problems: [Path, string][] = []
  const isGiven = (path: Path): boolean => given(root, path) !== undefined
  function need(path: Path, why: string): void {
    if (!isGiven(path)) problems.push([path, `must be set${why}`])
  }

  if (driver === 's3') {
    need('storage.s3.bucket', ', to the name of a bucket')
    if (!isGiven('storage.s3.regionendpoint')) {
      need(
        'storage.s3.region',
        ', to the bucket’s region such as us-east-1, or regionendpoint to the URL of the store'
      )
    }
    problems.push(...s3Problems(isGiven, value))
  }
  if (driver === 'gcs') {
    need('storage.gcs.bucket', ', to the name of a bucket')
    if (isGiven('storage.gcs.keyfile') && isGiven('storage.gcs.credentials')) {
      problems.push(['storage.gcs.credentials', 'says what storage.gcs.keyfile says: remove one of them'])
    }
  }
  if (driver === 'azure') {
    need('storage.azure.accountname', ', to the name of the storage account')
    need('storage.azure.container', ', to the name of a container')
    const { type } = azureCredentials(value)
    const because = ` with credentials of the type ${type}`
    if (type === 'shared_key') need('storage.azure.accountkey', because)
    if (type === 'client_secret') {
      for (const part of ['clientid', 'tenantid', 'secret'] as const) {
        need(`storage.azure.credentials.${part}`, because)
      }
    }
  }
  const part = partOf(config)
  const processes = value('http.processes')
  if (driver !== 'filesystem' && memory < part * processes) {
    problems.push([
      `storage.${driver}.memory`,
      `must hold one part of ${part} bytes for each of the ${processes} processes: ${Math.ceil((part * processes) / MIB)}MiB or more; or lower http.processes, or the parts (chunksize)`
    ])
  }
  if (driver !== 's3' && middleware.some(({ name }) => name === 'cloudfront')) {
    problems.push([
      'middleware.storage',
      'names cloudfront, which stands before a bucket of S3: set storage to s3, or remove it'
    ])
  }
  return problems
}

function s3Problems(isGiven: (path: Path) => boolean, value: Lookup): [Path, string][] {
  const problems: [Path, string][] = []
  const [access, secret] = [isGiven('storage.s3.accesskey'), isGiven('storage.s3.secretkey')]
  if (access !== secret) {
    const missing = access ? 'storage.s3.secretkey' : 'storage.s3.accesskey'
    problems.push([missing, 'must be set as well, or neither: a key has two halves'])
  }
  if (access && isGiven('storage.s3.credentialsconfigpath')) {
    problems.push([
      'storage.s3.credentialsconfigpath',
      'names a file with a key, and storage.s3.accesskey is one: remove one of them'
    ])
  }
  const [path, virtual] = [value('storage.s3.forcepathstyle'), value('storage.s3.virtualhostedstyle')]
  if (path !== undefined && path === virtual) {
    problems.push([
      'storage.s3.virtualhostedstyle',
      'is the opposite of storage.s3.forcepathstyle: remove one of them'
    ])
  }
  if (isGiven('storage.s3.keyid') && value('storage.s3.encrypt') === false) {
    problems.push([
      'storage.s3.keyid',
      'names a key that nothing is encrypted with: set encrypt to true, or remove it'
    ])
  }
  return problems
}
