import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import { createExchanging, readText } from '../../../storage/objects/exchange.ts'

t.test('a body that is refused before all of it was read holds no connection', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.pause()
      socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const accepted = once(server, 'connection')
  const { port } = server.address() as AddressInfo
  const { exchange, agent } = createExchanging({
    origin: new URL(`http://127.0.0.1:${port}`),
    proxy: undefined,
    idleMs: 1000
  })
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
