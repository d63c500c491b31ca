import { message, type Production } from './production.ts'

const PING = message('GET /v2/')

/** What a connection carries beside one whole request of HTTP/1.1: less, more, or another protocol. */
export const CONNECTIONS: readonly Production[] = [
  {
    title: 'a head that ends too early',
    expected: [400, 408],
    mayEnd: true,
    make: (random) => ({ bytes: PING.subarray(0, random.between(1, PING.length - 1)), ending: 'half-close' })
  },
  {
    // Node takes the end of what a client says for its leaving.
    title: 'a good request whose sender says no more: answered, or cut off (RFC 9112 §9.6)',
    expected: [200],
    mayEnd: true,
    make: (_, known) => ({
      bytes: message(`GET /v2/${known.name}/blobs/${known.blob}`),
      ending: 'half-close'
    })
  },
  {
    title: 'many requests at once (RFC 9112 §9.3.2)',
    expected: [200],
    make: (random) => {
      const count = random.between(1, 30)
      return { bytes: Buffer.concat(Array.from({ length: count + 1 }, () => PING)), before: count }
    }
  },
  {
    title: 'rubbish after good requests',
    expected: [400],
    mayEnd: true,
    make: (random) => {
      const count = random.between(1, 5)
      const rubbish = Buffer.concat([Buffer.from('\x01'), random.bytes(random.between(1, 3000))])
      return {
        bytes: Buffer.concat([...Array.from({ length: count }, () => PING), rubbish]),
        before: count,
        ending: 'half-close'
      }
    }
  },
  {
    title: 'bytes that are no request at all',
    expected: [400, 431],
    mayEnd: true,
    make: (random) => ({ bytes: random.bytes(random.between(16, 100_000)), ending: 'half-close' })
  },
  {
    title: 'a TLS client',
    expected: [400],
    mayEnd: true,
    make: (random) => ({
      bytes: Buffer.concat([Buffer.from('16030100c8010000c40303', 'hex'), random.bytes(190)]),
      ending: 'half-close'
    })
  },
  {
    title: 'another version of HTTP',
    expected: [400, 403],
    mayEnd: true,
    make: (random) => ({
      bytes: Buffer.from(
        random.pick([
          'GET /v2/\r\n\r\n',
          'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
          'GET /v2/ HTTP/3.0\r\nHost: x\r\n\r\n',
          'GET /v2/ HTTP/11\r\nHost: x\r\n\r\n',
          'GET /v2/ HTCPCP/1.0\r\nHost: x\r\n\r\n'
        ]),
        'latin1'
      ),
      ending: 'half-close'
    })
  },
  {
    title: 'a later minor version, or a space after it (RFC 9110 §2.5)',
    expected: [200, 400],
    make: (random) => ({
      bytes: Buffer.from(`GET /v2/ HTTP/1.${random.pick(['2', '9', '1 '])}\r\nHost: 127.0.0.1\r\n\r\n`)
    })
  },
  {
    title: 'HTTP/1.0, which is good',
    expected: [200],
    make: (random) => ({
      bytes: Buffer.from(
        `GET /v2/ HTTP/1.0\r\nHost: 127.0.0.1\r\n${random.pick(['', 'Connection: keep-alive\r\n'])}\r\n`
      )
    })
  },
  {
    title: 'HTTP/1.0 without a Host',
    expected: [200, 400, 403],
    make: () => ({ bytes: Buffer.from('GET /v2/ HTTP/1.0\r\n\r\n') })
  }
]
