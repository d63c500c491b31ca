import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Answer {
  status: number
  /** What the answer's headers state, or what came in chunked coding. */
  length: number
  /** The headers as they came, status line included. */
  head: string
  firstByteMs: number
  /** To the last byte. */
  ms: number
}

export interface Exchange {
  method: string
  path: string
  headers?: Record<string, string | number>
  /** Sent after the head; its length has to be in the headers. */
  body?: Iterable<Uint8Array>
  /** Called with each piece of the answer's body; it is valid only during the call. */
  onBody?: (piece: Buffer) => void
}

/** One kept connection, on which exchanges follow each other. */
export interface Connection {
  exchange(exchange: Exchange): Promise<Answer>
  close(): void
}

const READ_BUFFER = 128 * 1024

/** Speaks just enough HTTP/1.1 to cost little: it is load, not a client for others to use. */
export async function connect(url: string): Promise<Connection> {
  const { protocol, hostname, port, host } = new URL(url)
  let receive = (_bytes: Buffer): void => {}
  let fail = (_error: Error): void => {}
  const options = {
    host: hostname,
    port: Number(port),
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(READ_BUFFER),
      callback: (length: number, buffer: Uint8Array): boolean => {
        receive(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        return true
      }
    }
  }
  const socket =
    protocol === 'https:' ? connectTls({ ...options, rejectUnauthorized: false }) : createConnection(options)
  await once(socket, protocol === 'https:' ? 'secureConnect' : 'connect')
  socket.on('error', (error) => fail(error))
  socket.on('close', () => fail(new Error('the connection was closed')))

  return {
    exchange: ({ method, path, headers = {}, body, onBody }) =>
      new Promise((resolve, reject) => {
        const since = performance.now()
        const parser = createParser(method, onBody)
        fail = reject
        if (socket.destroyed) return reject(new Error('the connection was closed before'))
        receive = (bytes) => {
          try {
            if (!parser.take(bytes)) return
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
            socket.destroy()
            return
          }
          const now = performance.now()
          const { head, length, firstByteAt } = parser
          resolve({
            status: Number(head.slice(9, 12)),
            length,
            head,
            firstByteMs: firstByteAt - since,
            ms: now - since
          })
        }
        let lines = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`
        for (const name in headers) lines += `${name}: ${headers[name]}\r\n`
        socket.cork() // a small body travels with its head, as real clients send it
        socket.write(`${lines}\r\n`)
        if (body !== undefined) send(socket, body).catch(reject)
        socket.uncork()
      }),
    close: () => void socket.destroy()
  }
}

async function send(socket: Socket, body: Iterable<Uint8Array>): Promise<void> {
  for (const piece of body) {
    if (!socket.write(piece)) {
      await new Promise<void>((resolve, reject) => {
        const closed = (): void => reject(new Error('the connection was closed while sending'))
        socket.once('close', closed)
        socket.once('drain', () => {
          socket.off('close', closed)
          resolve()
        })
      })
    }
  }
}

/** Takes the bytes of one answer as they come. */
function createParser(method: string, onBody: ((piece: Buffer) => void) | undefined) {
  let early: Buffer | undefined
  let left: number | undefined
  let chunks: ReturnType<typeof createChunks> | undefined
  return {
    head: '',
    length: 0,
    firstByteAt: 0,
    /** Gives true with the answer's last byte. @throws Error for what it does not understand */
    take(bytes: Buffer): boolean {
      if (this.firstByteAt === 0) this.firstByteAt = performance.now()
      let rest = bytes
      if (this.head === '') {
        if (early !== undefined) rest = Buffer.concat([early, bytes])
        const end = rest.indexOf('\r\n\r\n')
        if (end < 0) {
          early = Buffer.from(rest)
          return false
        }
        const head = rest.toString('latin1', 0, end)
        rest = rest.subarray(end + 4)
        if (head.startsWith('HTTP/1.1 1')) {
          early = undefined
          return rest.length > 0 && this.take(Buffer.from(rest))
        }
        this.head = head
        const stated = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
        if (stated !== undefined) {
          this.length = Number(stated)
          left = method === 'HEAD' ? 0 : this.length
        } else if (method !== 'HEAD' && /\r\ntransfer-encoding: *chunked/i.test(head)) {
          chunks = createChunks()
        } else {
          left = 0 // 204, or an answer to HEAD that states no length
        }
      }
      if (chunks !== undefined) {
        const done = chunks.take(rest, onBody)
        this.length = chunks.length
        return done
      }
      if (left === undefined) throw new Error('unreachable')
      if (rest.length > left) throw new Error(`${rest.length - left} bytes more than the answer may have`)
      if (rest.length > 0) onBody?.(rest)
      left -= rest.length
      return left === 0
    }
  }
}

/** Chunked transfer coding, RFC 9112 §7.1. */
function createChunks() {
  let line = ''
  let left = 0
  let last = false
  return {
    length: 0,
    take(bytes: Buffer, onBody: ((piece: Buffer) => void) | undefined): boolean {
      let at = 0
      while (at < bytes.length) {
        if (left > 0) {
          const piece = bytes.subarray(at, at + left)
          onBody?.(piece)
          this.length += piece.length
          left -= piece.length
          at += piece.length
          continue
        }
        const end = bytes.indexOf('\n', at)
        line += bytes.toString('latin1', at, end < 0 ? bytes.length : end)
        if (end < 0) return false
        at = end + 1
        const text = line.trim()
        line = ''
        if (last && text === '') return true
        if (text === '') continue // the end of a chunk
        left = Number.parseInt(text, 16)
        if (Number.isNaN(left)) throw new Error(`not the size of a chunk: ${text}`)
        last = left === 0
      }
      return false
    }
  }
}
