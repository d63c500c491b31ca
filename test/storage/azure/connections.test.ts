import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openConnections } from '../../../storage/azure/connections.ts'

t.test('a connection at rest is left after a while, and one in use is not', async (t) => {
  const ends: (() => void)[] = []
  const server = createServer((_request, response) => {
    response.write('begun')
    ends.push(() => response.end())
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { agentFor, close } = await openConnections({}, false, 50)
  t.teardown(close)
  const [answer] = (await once(get(url, { agent: agentFor(url) }), 'response')) as [IncomingMessage]
  const { socket } = answer
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.notOk(socket.destroyed)
  const closed = once(socket, 'close')
  ends[0]?.()
  for await (const _ of answer);
  await closed
  t.ok(socket.destroyed)
})
