// More connections than a process may have files open: what cannot be done is refused in so many words, nothing ends, and
// all is well once they are gone.
import { createClient } from '../support/client.ts'
import { parseErrors } from '../support/error-shape.ts'
import { startBerth } from '../support/processes.ts'
import { createPusher, imageManifest } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { createVerdict, eventually } from '../support/verdict.ts'
import { openHandles } from '../support/vitals.ts'
import { type Answer, openWire, type Wire } from '../support/wire.ts'

const LIMIT = 100

const verdict = createVerdict()
const random = seeded('open files')
const server = await startBerth({
  env: { REGISTRY_HTTP_PROCESSES: '1' },
  command: ['sh', '-c', `ulimit -n ${LIMIT}; exec "$0" "$@"`, process.execPath, 'src/main.ts']
})
const content = random.bytes(100_000)
const digest = await push('before')
const handles = openHandles(server.pid).length

const first = await openWire(server.port)
verdict.check((await ask(first, 'GET', '/v2/'))?.status === 200, 'a connection is open')
const crowd: Wire[] = []
for (let count = 0; count < 2 * LIMIT; count++) crowd.push(await openWire(server.port))
const isFull = await eventually(() => openHandles(server.pid).length >= LIMIT - 1)
verdict.check(isFull, 'all that it may open is open', openHandles(server.pid).length)

for (const [method, path] of [
  ['GET', `/v2/many/files/blobs/${digest}`],
  ['POST', '/v2/many/files/blobs/uploads/']
] as const) {
  const answer = await ask(first, method, path)
  const code = answer && parseErrors(answer.body)?.[0]?.code
  const right =
    answer?.status === 503 && code === 'UNAVAILABLE' && answer.headers['retry-after'] !== undefined
  verdict.check(right, `${method} on it is refused with 503 UNAVAILABLE`, answer?.status)
}
verdict.check((await ask(first, 'GET', '/livez'))?.status === 200, 'the process is alive all the same')
verdict.check(await eventually(() => /ulimit -n/.test(server.log())), 'the log says what to do')

for (const wire of [first, ...crowd]) wire.close()
const isBack = await eventually(() => openHandles(server.pid).length <= handles + 1, 20_000)
verdict.check(isBack, 'they are closed again', { handles, now: openHandles(server.pid).length })
try {
  await push('after')
  const client = createClient(server.url)
  const pulled = await client.pull(`/v2/many/files/blobs/${digest}`)
  client.close()
  verdict.check(pulled.digest === digest, 'pushes and pulls work once they are gone')
} catch (error) {
  verdict.check(false, 'pushes and pulls work once they are gone', error)
}
await server.stop()

async function push(tag: string): Promise<string> {
  const client = createClient(server.url)
  const pusher = createPusher(client)
  const blob = await pusher.blob('many/files', content)
  const described = { digest: blob, size: content.length }
  await pusher.manifest('many/files', tag, imageManifest(described, []))
  client.close()
  return blob
}

async function ask(wire: Wire, method: string, path: string): Promise<Answer | undefined> {
  await wire.send(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`)
  const answer = await wire.answer({ to: method })
  return typeof answer === 'string' ? undefined : answer
}
