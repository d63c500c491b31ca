import {
  type Known,
  type Malformed,
  message,
  OTHER_DIGEST,
  OTHER_UPLOAD,
  type Production
} from './production.ts'

const OCTETS = 'Content-Type: application/octet-stream'
const CHUNKED = 'Transfer-Encoding: chunked'
/** A PATCH to a fresh upload, with a framing of its own. */
async function patch(known: Known, headers: readonly string[], body: string | Buffer): Promise<Malformed> {
  const path = await known.openUpload()
  return { bytes: message(`PATCH ${path}`, [OCTETS, ...headers], body), method: 'PATCH' }
}

/** After an upload that was cut: what is there is truthfully told, and no more than was sent. */
function keepsAtMost(known: Known, path: string, sent: number): () => Promise<string | undefined> {
  return async () => {
    const { status, headers } = await known.client.request('GET', path)
    const end = Number(/^0-(\d+)$/.exec(String(headers.range))?.[1] ?? Number.NaN)
    return status === 204 && end < Math.max(sent, 1) ? undefined : `upload: ${status}, Range ${headers.range}`
  }
}

/** Where a message begins and ends, made doubtful. RFC 9112 §6 and §11: smuggling starts here. */
export const FRAMING: readonly Production[] = [
  {
    title: 'a Content-Length that is no number (RFC 9112 §6.3)',
    expected: [400],
    make: (random, known) =>
      patch(
        known,
        [
          `Content-Length: ${random.pick(['-1', '+4', 'four', '4 4', '4,5', '0x4', '4.0', '', '9'.repeat(30), '18446744073709551616'])}`
        ],
        'body'
      )
  },
  {
    title: 'two lengths that differ (RFC 9112 §6.3)',
    expected: [400],
    make: (random, known) =>
      patch(
        known,
        random.pick([['Content-Length: 4', 'Content-Length: 5'], ['Content-Length: 4, 5']]),
        'body!'
      )
  },
  {
    title: 'a length and a coding together (RFC 9112 §6.1)',
    expected: [400],
    make: (random, known) => {
      const both = random.pick([
        ['Content-Length: 5', CHUNKED],
        [CHUNKED, 'Content-Length: 5'],
        ['Content-Length: 0', 'Transfer-Encoding: Chunked']
      ])
      return patch(known, both, '0\r\n\r\nGET /v2/smuggled HTTP/1.1\r\nHost: x\r\n\r\n')
    }
  },
  {
    title: 'a transfer coding that nobody knows (RFC 9112 §6.1)',
    expected: [400, 501],
    make: (random, known) => {
      const coding = random.pick([
        'gzip',
        'chunked, gzip',
        'xchunked',
        'chunked, identity',
        'chunked;q=1',
        '\x0bchunked',
        '"chunked"',
        ''
      ])
      return patch(known, [`Transfer-Encoding: ${coding}`], '4\r\nbody\r\n0\r\n\r\n')
    }
  },
  {
    title: 'the coding hidden by odd spelling (RFC 9112 §5.1)',
    expected: [400],
    make: (random, known) =>
      patch(
        known,
        random.pick([
          ['Transfer-Encoding : chunked', 'Content-Length: 4'],
          ['X: 1\rTransfer-Encoding: chunked', 'Content-Length: 4'],
          ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
          ['Transfer-Encoding: chunked', ' chunked', 'Content-Length: 4']
        ]),
        'body'
      )
  },
  {
    title: 'chunks that are none (RFC 9112 §7.1)',
    expected: [400],
    mayEnd: true,
    make: (random, known) =>
      patch(
        known,
        [CHUNKED],
        random.pick([
          'zz\r\nbody\r\n0\r\n\r\n',
          '-4\r\nbody\r\n0\r\n\r\n',
          '4\r\nbodybody\r\n0\r\n\r\n',
          '4\nbody\n0\n\n',
          `${'f'.repeat(17)}\r\nbody\r\n0\r\n\r\n`,
          '0x4\r\nbody\r\n0\r\n\r\n',
          ' 4\r\nbody\r\n0\r\n\r\n',
          '\r\n\r\n',
          '4;\0\r\nbody\r\n0\r\n\r\n',
          `4;${'x'.repeat(100_000)}\r\nbody\r\n0\r\n\r\n`,
          '4\r\nbody\r\n0\r\nbad trailer\r\n\r\n'
        ])
      )
  },
  {
    title: 'very small chunks, with extensions and trailers, which are good',
    expected: [202],
    make: (random, known) => {
      const chunks = Array.from({ length: random.between(1, 300) }, () => '1;a="b"\r\nx\r\n').join('')
      return patch(known, [CHUNKED], `${chunks}0\r\nTrailer-Field: 1\r\n\r\n`)
    }
  },
  {
    title: 'a body that ends too early, with the connection (RFC 9112 §8)',
    expected: [400, 408],
    mayEnd: true,
    make: async (random, known) => {
      const path = await known.openUpload()
      const framing = random.pick([
        ['Content-Length: 1000', 'only this'],
        [CHUNKED, '9\r\nonly this\r\n'],
        [CHUNKED, '64\r\nonly this']
      ])
      return {
        bytes: message(`PATCH ${path}`, [OCTETS, framing[0] ?? ''], framing[1]),
        method: 'PATCH',
        ending: 'half-close',
        afterwards: keepsAtMost(known, path, 9)
      }
    }
  },
  {
    title: 'a closing PUT whose body ends too early (R-053)',
    expected: [400, 408],
    mayEnd: true,
    make: async (_, known) => {
      const path = await known.openUpload()
      return {
        bytes: message(`PUT ${path}?digest=${OTHER_DIGEST}`, ['Content-Length: 1000'], 'only this'),
        method: 'PUT',
        ending: 'half-close'
      }
    }
  },
  {
    title: 'a manifest whose body ends too early',
    expected: [400, 408],
    mayEnd: true,
    make: (_, { name }) => ({
      bytes: message(`PUT /v2/${name}/manifests/cut`, ['Content-Length: 1000'], '{"schemaVersion":2'),
      method: 'PUT',
      ending: 'half-close'
    })
  },
  {
    title: 'a connection that is reset in the middle',
    expected: [],
    mayEnd: true,
    make: async (random, known) => {
      const whole = (await patch(known, ['Content-Length: 100000'], random.bytes(50_000))).bytes
      return { bytes: whole.subarray(0, random.between(1, whole.length)), ending: 'reset' }
    }
  },
  {
    title: 'a refused request whose body never comes (design.md 12)',
    expected: [400, 404, 413],
    make: (random, { name }) => ({
      bytes: message(
        random.pick([
          `PATCH /v2/${name}/blobs/uploads/${OTHER_UPLOAD}`,
          'PUT /v2/Bad-Name/manifests/latest',
          `POST /v2/${name}/blobs/uploads/?digest=rubbish`
        ]),
        [random.pick(['Content-Length: 1000000000000', CHUNKED])],
        random.pick(['', '10\r\nonly this\r\n'])
      ),
      method: 'PUT',
      ending: 'wait'
    })
  },
  {
    title: 'a request within the body of one that is refused (RFC 9112 §11.2)',
    expected: [400, 404, 405],
    make: (random, { name }) => {
      const hidden = 'DELETE /v2/fuzz/known/manifests/known HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
      const [line, method] = random.pick([
        [`PATCH /v2/${name}/blobs/uploads/${OTHER_UPLOAD}`, 'PATCH'],
        ['PUT /v2/Bad-Name/manifests/latest', 'PUT'],
        [`POST /v2/${name}/blobs/uploads/?digest=rubbish`, 'POST'],
        [`GET /v2/${name}/manifests/none`, 'GET'],
        [`DELETE /v2/${name}/tags/list`, 'DELETE'],
        ['POST /v2/nowhere', 'POST']
      ] as const)
      const body = hidden.repeat(random.between(1, 2000))
      const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
      return random.chance(0.5)
        ? { bytes: message(line, [OCTETS], body), method }
        : { bytes: message(line, [OCTETS, CHUNKED], chunked), method }
    }
  },
  {
    title: 'a body where none is expected',
    expected: [200, 404, 400],
    make: (random, { name }) => ({
      bytes: message(
        `GET /v2/${name}/manifests/${random.pick(['known', 'none'])}`,
        [],
        random.bytes(random.between(0, 5000))
      )
    })
  }
]
