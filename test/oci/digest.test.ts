import t from 'tap'
import {
  ALGORITHMS,
  algorithmOf,
  createHasher,
  digestOf,
  encodedOf,
  isDigest,
  parseAlgorithm,
  parseDigest
} from '../../src/oci/digest.ts'
import { createRandom } from './random.ts'

const EMPTY_256 = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const OBJECT_256 = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
const EMPTY_512 =
  'sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce' +
  '47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

t.test('a sha256 or sha512 digest parses to itself and gives its parts', async (t) => {
  for (const text of [EMPTY_256, OBJECT_256, EMPTY_512]) {
    const digest = parseDigest(text)
    t.equal(digest, text)
    t.equal(isDigest(text), true)
    t.equal(`${algorithmOf(digest)}:${encodedOf(digest)}`, text)
    t.equal(encodedOf(digest).length, ALGORITHMS[algorithmOf(digest)])
  }
  t.equal(algorithmOf(parseDigest(EMPTY_256)), 'sha256')
  t.equal(algorithmOf(parseDigest(EMPTY_512)), 'sha512')
})

const HEX = 'a'.repeat(64)

const REFUSED: Record<string, string> = {
  '': 'malformed, not <algorithm>:<hex>: ""',
  sha256: 'malformed, not <algorithm>:<hex>: "sha256"',
  'sha256:': 'malformed, not <algorithm>:<hex>: "sha256:"',
  [HEX]: `malformed, not <algorithm>:<hex>: "${HEX}"`,
  [`:${HEX}`]: 'malformed',
  [`SHA256:${HEX}`]: 'malformed',
  [` sha256:${HEX}`]: 'malformed',
  [`sha256:${HEX}\n`]: 'malformed',
  [`sha256::${HEX}`]: 'malformed',
  [`sha256:${HEX}:${HEX}`]: 'malformed',
  [`sha256%3A${HEX}`]: 'malformed',
  [`sha256+:${HEX}`]: 'malformed',
  [`sha256:../../${HEX}`]: 'malformed',
  'sha256:totallywrong': 'malformed, not hexadecimal: "sha256:totallywrong"',
  [`sha256:g${'a'.repeat(63)}`]: 'malformed, not hexadecimal',
  [`sha256:=${'a'.repeat(63)}`]: 'malformed, not hexadecimal',
  [`blake3:${HEX}`]: 'unsupported algorithm "blake3": use sha256 or sha512',
  'md5:d41d8cd98f00b204e9800998ecf8427e': 'unsupported algorithm "md5": use sha256 or sha512',
  'sha256+b64u.unknown:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564':
    'unsupported algorithm "sha256+b64u.unknown": use sha256 or sha512',
  [`constructor:${HEX}`]: 'unsupported algorithm "constructor": use sha256 or sha512',
  'sha256:abc': 'wrong length: sha256 has 64 hex digits, not 3',
  [`sha256:${HEX}a`]: 'wrong length: sha256 has 64 hex digits, not 65',
  [`sha512:${HEX}`]: 'wrong length: sha512 has 128 hex digits, not 64',
  [`sha256:${HEX.toUpperCase()}`]: `upper case hex digits; use lower case: "sha256:${HEX.toUpperCase()}"`,
  [`sha256:A${'a'.repeat(63)}`]: 'upper case hex digits'
}

t.test(
  'any other digest is refused as DIGEST_INVALID, and the detail says what is wrong (R-057)',
  async (t) => {
    for (const [text, detail] of Object.entries(REFUSED)) {
      t.equal(isDigest(text), false, JSON.stringify(text))
      t.throws(
        () => parseDigest(text),
        { code: 'DIGEST_INVALID', status: 400, details: [detail] },
        JSON.stringify(text)
      )
    }
  }
)

t.test('a detail neither repeats a long text nor control characters', async (t) => {
  const hostile = ['a'.repeat(100_000), `sha256:${'\r\n\0'.repeat(40_000)}`, `${'a'.repeat(100_000)}:b`]
  for (const text of [...hostile, `${'a.'.repeat(50_000)}:`, `sha256:${'A'.repeat(100_000)}`]) {
    t.throws(() => parseDigest(text), { code: 'DIGEST_INVALID', details: [/^[ -~]{1,250}$/] })
  }
})

t.test('an algorithm is sha256 or sha512 (R-056)', async (t) => {
  t.equal(parseAlgorithm('sha256'), 'sha256')
  t.equal(parseAlgorithm('sha512'), 'sha512')
  for (const text of ['', 'SHA256', 'sha384', 'blake3', 'toString', '__proto__', 'sha256 ']) {
    const detail = `unsupported algorithm "${text}": use sha256 or sha512`
    t.throws(() => parseAlgorithm(text), { code: 'DIGEST_INVALID', details: [detail] }, JSON.stringify(text))
  }
})

t.test('the digest of bytes is sha256 unless another algorithm is named (R-073, M-06)', async (t) => {
  t.equal(digestOf(bytes('')), EMPTY_256)
  t.equal(digestOf(bytes('{}')), OBJECT_256)
  t.equal(digestOf(bytes(''), 'sha512'), EMPTY_512)
})

t.test('a hasher gives the digest and size of what came so far, and goes on', async (t) => {
  const hasher = createHasher('sha256')
  t.equal(hasher.algorithm, 'sha256')
  t.equal(hasher.digest(), EMPTY_256)
  t.equal(hasher.size, 0)
  hasher.update(bytes('{'))
  t.equal(hasher.digest(), digestOf(bytes('{')))
  hasher.update(bytes('}'))
  t.equal(hasher.digest(), OBJECT_256)
  t.equal(hasher.digest(), OBJECT_256, 'a second time')
  t.equal(hasher.size, 2)
  t.equal(createHasher('sha512').digest(), EMPTY_512)
})

t.test('a copy of a hasher goes on alone', async (t) => {
  const hasher = createHasher('sha512')
  hasher.update(bytes('a'))
  const copy = hasher.copy()
  copy.update(bytes('bc'))
  hasher.update(bytes('d'))
  t.equal(copy.algorithm, 'sha512')
  t.equal(copy.digest(), digestOf(bytes('abc'), 'sha512'))
  t.equal(copy.size, 3)
  t.equal(hasher.digest(), digestOf(bytes('ad'), 'sha512'))
  t.equal(hasher.size, 2)
})

t.test('of 10,000 mutated strings, those are digests that the specification calls so', async (t) => {
  // As the image specification prints them: "Digests", and "SHA-256" and "SHA-512" of its registered algorithms.
  const grammar = /^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/
  const registered = [/^sha256:[a-f0-9]{64}$/, /^sha512:[a-f0-9]{128}$/]
  const { pick, mutate } = createRandom(1)
  let accepted = 0
  for (let round = 0; round < 10_000; round++) {
    const text = mutate(
      pick([EMPTY_256, OBJECT_256, EMPTY_512, `blake3:${HEX}`]),
      'abcdef0123456789ABFG:=_-.+ \n\0é'
    )
    const expected = grammar.test(text) && registered.some((form) => form.test(text))
    if (isDigest(text) !== expected) t.fail(JSON.stringify(text))
    if (expected) accepted++
  }
  t.ok(accepted > 1_000 && accepted < 9_000, `${accepted} accepted`)
})
