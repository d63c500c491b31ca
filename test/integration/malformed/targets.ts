import {
  anyEndpoint,
  message,
  OTHER_DIGEST,
  OTHER_UPLOAD,
  oneOf,
  type Production,
  withBody
} from './production.ts'

const LONG = 'a'.repeat(300)
const TRAVERSALS = [
  '../../../../../../canary',
  'a/../../../../../../escaped',
  '..%2f..%2f..%2f..%2f..%2f..%2fcanary',
  '%2e%2e/%2e%2e/canary',
  '....//canary'
]
const BAD_NAMES = [
  'Fuzz/known',
  'fuzz//known',
  '/fuzz',
  'fuzz/',
  '.fuzz',
  'fuzz..known',
  'fuzz___known',
  '-fuzz',
  'fuzz-',
  'fuzz/_uploads',
  'fuzz%00',
  'fuzz%252Fknown',
  'fuzz%5cknown',
  'fuzz;a=b',
  'fuzz:tag',
  'fuzz@known',
  'fuzz%20known',
  'fuzz%0d%0aX-Injected:%20yes',
  'f%C3%BCzz',
  '%F0%9F%90%B3',
  '%EF%BC%8E%EF%BC%8E',
  LONG,
  `${'a/'.repeat(150)}a`,
  'a/../b',
  ...TRAVERSALS
]
const BAD_DIGESTS = [
  'sha256:',
  'sha256:totallywrong',
  `sha256:${'a'.repeat(63)}`,
  `sha256:${'a'.repeat(65)}`,
  `sha256:${'A'.repeat(64)}`,
  `SHA256:${'a'.repeat(64)}`,
  `sha256%3A${'g'.repeat(64)}`,
  `sha512:${'a'.repeat(64)}`,
  `md5:${'a'.repeat(32)}`,
  `crc32:${'a'.repeat(8)}`,
  `sha256:${'a'.repeat(64)}:b`,
  `sha256:${'a'.repeat(63)}%00`,
  `sha256:${'a'.repeat(5000)}`,
  `sha256+b64:${'a'.repeat(43)}`,
  ...TRAVERSALS.map((path) => `sha256:${path.replaceAll('/', '%2F')}`)
]
const BAD_TAGS = [
  'a'.repeat(129),
  'a'.repeat(4000),
  '.leading-dot',
  '-leading-dash',
  'tag%20space',
  'tag%00',
  't%C3%A4g',
  'tag%0a',
  '%2e%2e',
  ...TRAVERSALS.map((path) => path.replaceAll('/', '%2F'))
]
const BAD_UPLOADS = [
  'not-a-uuid',
  '1',
  OTHER_UPLOAD.slice(1),
  `${OTHER_UPLOAD}0`,
  OTHER_UPLOAD.replaceAll('-', ''),
  `{${OTHER_UPLOAD}}`,
  `${OTHER_UPLOAD}%00`,
  `${OTHER_UPLOAD}/data`,
  '%2e%2e',
  ...TRAVERSALS.map((path) => path.replaceAll('/', '%2F'))
]
/** Names, digests, tags and upload ids that are none. */
export const TARGETS: readonly Production[] = [
  {
    title: 'a name outside the grammar (R-001, R-002)',
    expected: [400],
    make: (random) => anyEndpoint(random, random.pick(BAD_NAMES))
  },
  {
    title: 'a name that leads out of the storage folder (R-001)',
    expected: [400],
    make: (random) => {
      const name = random.pick(TRAVERSALS)
      if (random.chance(0.5)) return anyEndpoint(random, name)
      return withBody(`POST /v2/${name}/blobs/uploads/`)
    }
  },
  {
    title: 'a name with a raw control or high character',
    expected: [400],
    make: (random) => anyEndpoint(random, `fuzz${random.pick(['\0', '\x01', '\x7f', '\t', '\xfc', '\xff'])}`)
  },
  {
    title: 'a name with its slash encoded: decoded once or refused (1.0)',
    expected: [200, 400],
    make: oneOf(['GET /v2/fuzz%2Fknown/tags/list', 'GET /v2/fuzz%2fknown/manifests/known'])
  },
  {
    title: 'a malformed digest of a blob (R-040)',
    expected: [400],
    make: (random) =>
      oneOf(['GET', 'HEAD', 'DELETE'].map((m) => `${m} /v2/fuzz/known/blobs/${random.pick(BAD_DIGESTS)}`))(
        random
      )
  },
  {
    title: 'a malformed digest of a manifest (R-030, R-080)',
    expected: [400],
    make: (random) =>
      withBody(
        `${random.pick(['GET', 'HEAD', 'PUT', 'DELETE'])} /v2/fuzz/known/manifests/${random.pick(BAD_DIGESTS)}`
      )
  },
  {
    title: 'a malformed digest of a subject (R-105)',
    expected: [400],
    make: (random) => withBody(`GET /v2/fuzz/known/referrers/${random.pick(BAD_DIGESTS)}`)
  },
  {
    title: 'a malformed digest in a push (R-057)',
    expected: [400],
    make: async (random, known) => {
      const digest = random.pick(BAD_DIGESTS)
      if (random.chance(0.5)) return withBody(`POST /v2/fuzz/known/blobs/uploads/?digest=${digest}`)
      return withBody(`PUT ${await known.openUpload()}?digest=${digest}`)
    }
  },
  {
    title: 'a push with no digest, several, or an unknown algorithm (R-053, R-056)',
    expected: [400],
    make: async (random, known) =>
      withBody(
        random.pick([
          `PUT ${await known.openUpload()}`,
          `PUT ${await known.openUpload()}?digest=`,
          `PUT ${await known.openUpload()}?digest=${OTHER_DIGEST}&digest=${known.blob}`,
          'POST /v2/fuzz/known/blobs/uploads/?digest-algorithm=md5'
        ])
      )
  },
  {
    title: 'a mount that cannot be made (R-069)',
    expected: [202],
    make: (random) => {
      const mount = random.pick([...BAD_DIGESTS, OTHER_DIGEST, ''])
      const from = random.pick([...BAD_NAMES, 'fuzz/none', ''])
      const target = `/v2/fuzz/known/blobs/uploads/?mount=${mount}&from=${from}`
      return { bytes: message(`POST ${target}`, [], ''), method: 'POST' }
    }
  },
  {
    title: 'a push under an impossible tag (1.0)',
    expected: [400],
    make: (random) => withBody(`PUT /v2/fuzz/known/manifests/${random.pick(BAD_TAGS)}`)
  },
  {
    title: 'a pull or deletion of an impossible tag (R-030)',
    expected: [404, 400],
    make: (random) =>
      withBody(`${random.pick(['GET', 'HEAD', 'DELETE'])} /v2/fuzz/known/manifests/${random.pick(BAD_TAGS)}`)
  },
  {
    title: 'a pull of the tag .INVALID_MANIFEST_NAME (R-030)',
    expected: [404],
    make: oneOf(['GET', 'HEAD'].map((m) => `${m} /v2/fuzz/known/manifests/.INVALID_MANIFEST_NAME`))
  },
  {
    title: 'an upload that is none (R-063)',
    expected: [400, 404],
    make: (random) => {
      const method = random.pick(['GET', 'PATCH', 'PUT', 'DELETE'])
      const query = method === 'PUT' ? `?digest=${OTHER_DIGEST}` : ''
      return withBody(`${method} /v2/fuzz/known/blobs/uploads/${random.pick(BAD_UPLOADS)}${query}`)
    }
  },
  {
    title: 'an upload of another repository (1.8)',
    expected: [404],
    make: async (random, known) => {
      const path = (await known.openUpload()).replace('fuzz/known', 'fuzz/other')
      return withBody(`${random.pick(['GET', 'PATCH', 'DELETE'])} ${path}`)
    }
  }
]
