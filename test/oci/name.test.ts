import t from 'tap'
import { isName, isTag, parseName, parseTag } from '../../src/oci/name.ts'
import { createRandom } from './random.ts'

const NAMES = [
  'a',
  '0',
  'ubuntu',
  'library/ubuntu',
  'a/b/c/d/e/f',
  'a.b_c__d-e--f---g/0.1',
  'v2/blobs/uploads',
  'manifests/tags/list',
  'a'.repeat(255),
  `${'a/'.repeat(127)}a`
]

const NOT_NAMES = [
  '',
  '/',
  'A',
  'Library/ubuntu',
  'a/',
  '/a',
  'a//b',
  '.a',
  'a.',
  '-a',
  'a-',
  '_a',
  'a_',
  'a/_b',
  'a/b-',
  'a..b',
  'a___b',
  'a._b',
  'a.-b',
  'a-_b',
  '.',
  '..',
  'a/../b',
  'a/./b',
  'a b',
  'a\n',
  '\na',
  'a\0',
  'a:b',
  'a@b',
  'a%2fb',
  'a\\b',
  'é',
  'a'.repeat(256),
  `${'a/'.repeat(128)}a`
]

t.test('a repository name is what the grammar allows, up to 255 characters (R-001, R-002)', async (t) => {
  for (const text of NAMES) {
    t.equal(isName(text), true, JSON.stringify(text))
    t.equal(parseName(text), text)
  }
  for (const text of NOT_NAMES) {
    t.equal(isName(text), false, JSON.stringify(text))
    t.throws(() => parseName(text), { code: 'NAME_INVALID', status: 400 }, JSON.stringify(text))
  }
})

t.test('a name that is refused is quoted, and one that is too long is cut', async (t) => {
  t.throws(() => parseName('Up\r\n'), { code: 'NAME_INVALID', details: ['"Up"'] })
  t.throws(() => parseName('a'.repeat(256)), {
    code: 'NAME_INVALID',
    details: [`longer than 255 characters: "${'a'.repeat(145)}..."`]
  })
})

const TAGS = [
  'a',
  'Z',
  '0',
  '_',
  'latest',
  'v1.2.3',
  'A_b.c-d',
  '__',
  'a..b',
  'sha256-abc.sig',
  'a'.repeat(128)
]
const NOT_TAGS = [
  '',
  '.',
  '-',
  '.a',
  '-a',
  'a b',
  'a:b',
  'a/b',
  'a+b',
  'a@b',
  'a\n',
  'é',
  'aé',
  'a\0',
  'a'.repeat(129)
]

t.test('a tag is what the grammar allows, up to 128 characters', async (t) => {
  for (const text of TAGS) {
    t.equal(isTag(text), true, JSON.stringify(text))
    t.equal(parseTag(text), text)
  }
  for (const text of [...NOT_TAGS, '.INVALID_MANIFEST_NAME']) {
    t.equal(isTag(text), false, JSON.stringify(text))
    t.throws(() => parseTag(text), { code: 'TAG_INVALID', status: 400 }, JSON.stringify(text))
  }
  t.throws(() => parseTag('a'.repeat(129)), { code: 'TAG_INVALID', details: [`"${'a'.repeat(129)}"`] })
})

t.test('hostile names and tags are refused at once, however long', async (t) => {
  const patterns = ['a', '-', '_', 'a-', 'a.', 'a__', '--a', 'a/', 'a/a-']
  const ends = ['!', '-', '/', '\n']
  const hostile = [253, 100_000].flatMap((length) =>
    patterns.flatMap((pattern) => ends.map((end) => pattern.repeat(length).slice(0, length) + end))
  )
  const started = performance.now()
  t.strictSame(hostile.filter(isName), [])
  t.strictSame(hostile.filter(isTag), [])
  t.ok(performance.now() - started < 5_000)
})

t.test('of 10,000 mutated strings, those are names and tags that the specification calls so', async (t) => {
  // As the distribution specification prints them, in "Pulling manifests".
  const name = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
  const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
  const { pick, mutate } = createRandom(2)
  const accepted = { names: 0, tags: 0 }
  for (let round = 0; round < 10_000; round++) {
    const text = mutate(pick([...NAMES, ...NOT_NAMES, ...TAGS, ...NOT_TAGS]), 'az09AZ._-/:+@ \n\0é')
    const expected = { name: text.length <= 255 && name.test(text), tag: tag.test(text) }
    if (isName(text) !== expected.name || isTag(text) !== expected.tag) t.fail(JSON.stringify(text))
    if (expected.name) accepted.names++
    if (expected.tag) accepted.tags++
  }
  t.ok(accepted.names > 1_000 && accepted.names < 9_000, `${accepted.names} names accepted`)
  t.ok(accepted.tags > 1_000 && accepted.tags < 9_000, `${accepted.tags} tags accepted`)
})
