// MinIO, built from source: addresses that clients are sent to work there, and stand in no log.
import { createHash } from 'node:crypto'
import { startBerth } from '../support/processes.ts'
import { startMinio } from '../support/s3-servers.ts'
import { toEnvironment } from '../support/storage.ts'
import { createVerdict } from '../support/verdict.ts'

const { check } = createVerdict()
const { server, bucket, accesskey, secretkey } = await startMinio()
const settings = {
  REGISTRY_STORAGE: 's3',
  REGISTRY_STORAGE_S3_REGIONENDPOINT: server.url,
  REGISTRY_STORAGE_S3_REGION: 'us-east-1',
  REGISTRY_STORAGE_S3_BUCKET: bucket,
  REGISTRY_STORAGE_S3_ACCESSKEY: accesskey,
  REGISTRY_STORAGE_S3_SECRETKEY: secretkey
}
const LARGE = Buffer.alloc(100_000, 'x')
const SMALL = Buffer.alloc(1000, 'y')
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function withBerth(
  more: Record<string, string>,
  work: (url: string, log: () => string) => Promise<void>
): Promise<void> {
  Object.assign(process.env, toEnvironment({ driver: 'S3', settings: { ...settings, ...more } }))
  const berth = await startBerth({ env: { REGISTRY_HTTP_PROCESSES: '2', REGISTRY_LOG_LEVEL: 'debug' } })
  await work(berth.url, berth.log)
  await berth.stop()
}

async function push(url: string, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes)
  const answer = await fetch(`${url}/v2/a/b/blobs/uploads/?digest=${digest}`, { method: 'POST', body: bytes })
  check(answer.status === 201, `a blob of ${bytes.length} bytes is pushed`, answer.status)
  return `${url}/v2/a/b/blobs/${digest}`
}

const manually = { redirect: 'manual' } as const

await withBerth({}, async (url, log) => {
  const large = await push(url, LARGE)
  const answer = await fetch(large, manually)
  const location = answer.headers.get('location') ?? ''
  check(
    answer.status === 307 && location.startsWith(server.url),
    'a large blob is fetched from MinIO',
    answer.status
  )
  check(answer.headers.get('cache-control') === 'private, no-store', 'nobody keeps its address')
  const direct = await fetch(location)
  check(LARGE.equals(Buffer.from(await direct.arrayBuffer())), 'the address gives the bytes', direct.status)
  const range = await fetch(large, { headers: { range: 'bytes=10-19' } })
  check(range.status === 206 && (await range.text()) === 'xxxxxxxxxx', 'and a range of them', range.status)
  const refused = await fetch(location, { method: 'DELETE' })
  check(refused.status === 403, 'and lets nobody remove them', refused.status)
  check(
    (await fetch(large, { method: 'HEAD' })).headers.get('content-length') === '100000',
    'HEAD is answered here'
  )
  check((await fetch(await push(url, SMALL), manually)).status === 200, 'so is a small blob')
  check(
    log().includes('status=307') && !/X-Amz|Signature/i.test(log()),
    'the log tells of it without the address'
  )
})
await withBerth({ REGISTRY_STORAGE_REDIRECT_DISABLE: 'true' }, async (url) => {
  const answer = await fetch(await push(url, LARGE), { ...manually, headers: { range: 'bytes=10-19' } })
  check(answer.status === 206, 'with redirects off berth sends the bytes', answer.status)
})
await withBerth({ REGISTRY_STORAGE_S3_REDIRECTENDPOINT: 'https://s3.example.com' }, async (url) => {
  const answer = await fetch(await push(url, LARGE), manually)
  const location = answer.headers.get('location') ?? ''
  check(location.startsWith('https://s3.example.com/'), 'redirectendpoint is where clients are sent')
})
await server.stop()
