import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from '../../bench/load/connection.ts'

/** A server that answers each request with what `answers` has next, written piece by piece. */
async function serve(t: Test, ...answers: string[][]): Promise<string> {
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('data', () => void write(socket, answers.shift() ?? []))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

async function write(socket: Socket, pieces: string[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise((resolve) => setTimeout(resolve, 5)) // so that they arrive apart
  }
}

async function ask(url: string, method = 'GET') {
  const connection = await connect(url)
  const pieces: Buffer[] = []
  try {
    const answer = await connection.exchange({
      method,
      path: '/',
      onBody: (piece) => pieces.push(Buffer.from(piece))
    })
    return { status: answer.status, length: answer.length, body: Buffer.concat(pieces).toString() }
  } finally {
    connection.close()
  }
}

const OK = 'HTTP/1.1 200 OK\r\n'

t.test('an answer is read however it arrives', async (t) => {
  const cases: { pieces: string[]; method?: string; length: number; body: string }[] = [
    { pieces: [`${OK}Content-Length: 5\r\n\r\nhello`], length: 5, body: 'hello' },
    { pieces: [OK, 'content-length: 5\r\n\r', '\nhe', 'llo'], length: 5, body: 'hello' },
    { pieces: [`${OK}Content-Length: 5\r\n\r\n`], method: 'HEAD', length: 5, body: '' },
    { pieces: [`HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`], length: 1, body: 'x' },
    {
      pieces: [`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n`],
      length: 19,
      body: 'abc0123456789abcdef'
    },
    {
      pieces: [
        `${OK}Transfer-Encoding: chunked\r\n\r\n`,
        '3\r',
        '\nab',
        'c\r',
        '\n1',
        '0\r\n0123456789abcdef',
        '\r\n0\r\n',
        '\r\n'
      ],
      length: 19,
      body: 'abc0123456789abcdef'
    }
  ]
  for (const { pieces, method, length, body } of cases) {
    t.strictSame(await ask(await serve(t, pieces), method), { status: 200, length, body }, pieces.join('|'))
  }
})

t.test('answers follow each other on one connection', async (t) => {
  const url = await serve(
    t,
    [`${OK}Content-Length: 1\r\n\r\na`],
    ['HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nbb']
  )
  const connection = await connect(url)
  t.equal((await connection.exchange({ method: 'GET', path: '/1' })).status, 200)
  t.equal((await connection.exchange({ method: 'GET', path: '/2' })).status, 404)
  connection.close()
})

t.test('an answer that is too long or cut off is an error', async (t) => {
  await t.rejects(ask(await serve(t, [`${OK}Content-Length: 1\r\n\r\nab`])), { message: /1 bytes more/ })
  const cut = createServer((socket) =>
    socket.once('data', () => socket.end(`${OK}Content-Length: 9\r\n\r\nab`))
  )
  cut.listen(0, '127.0.0.1')
  await once(cut, 'listening')
  t.teardown(() => void cut.close())
  const address = cut.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  await t.rejects(ask(`http://127.0.0.1:${address.port}`), { message: /closed/ })
})
