import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createExchanging, readText } from '../../../storage/objects/exchange.ts'
import { noise } from '../bodies.ts'

/** To a server of the test, until the test ends. */
async function exchangingWith(t: Test, server: Server) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const origin = new URL(`http://127.0.0.1:${port}`)
  const { exchange, agent } = createExchanging({ origin, proxy: undefined, idleMs: 1000 })
  t.teardown(() => agent.destroy())
  const get = async () => exchange({ method: 'GET', path: '/', headers: {} }, AbortSignal.timeout(30_000))
  return { exchange, agent, get }
}

t.test('a body that is refused before all of it was read holds no connection', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.pause()
      socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy')
    })
  })
  const accepted = once(server, 'connection')
  const { exchange, agent } = await exchangingWith(t, server)
  const body = [Buffer.alloc(64 << 20)]
  const message = { method: 'POST', path: '/', headers: {}, body } as const
  const answer = await exchange(message, AbortSignal.timeout(30_000))
  t.equal(await readText(answer), 'busy')
  const [socket] = (await accepted) as [Socket]
  const closed = once(socket, 'close')
  socket.resume()
  await closed
  t.strictSame(Object.values(agent.sockets).flat(), [])
})

t.test('an answer that never ends is not gathered for ever', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 500 Ill\r\nContent-Length: 1000000000\r\n\r\n')
      socket.write(Buffer.alloc(40 << 20))
    })
  })
  const { get } = await exchangingWith(t, server)
  await t.rejects(readText(await get()), { message: /more than 32 MiB/ })
})

t.test('a few bodies come in large pieces, and those of a crowd in small ones', async (t) => {
  const whole = noise(4 << 20)
  const server = createHttpServer((_, response) => response.end(whole))
  const { get } = await exchangingWith(t, server)
  /** The largest of its pieces, each kept as it is, all of which together are what was sent. */
  const read = async (answer: IncomingMessage): Promise<number> => {
    const chunks: Buffer[] = []
    for await (const chunk of answer) chunks.push(chunk)
    t.ok(Buffer.concat(chunks).equals(whole))
    return Math.max(...chunks.map(({ length }) => length))
  }
  t.ok((await read(await get())) > 64 << 10)
  const crowd = await Promise.all(Array.from({ length: 40 }, get))
  // What came before all were there may be large.
  for (const answer of crowd) answer.read()
  const sizes = await Promise.all(crowd.map(async (answer) => Math.max(...(await sizesOf(answer)).slice(2))))
  t.ok(Math.max(...sizes) <= 64 << 10, `${Math.max(...sizes)}`)
  t.ok((await read(await get())) > 64 << 10, 'and large again when they have gone')
})

async function sizesOf(answer: IncomingMessage): Promise<number[]> {
  const sizes: number[] = []
  for await (const chunk of answer) sizes.push(chunk.length)
  return sizes
}
