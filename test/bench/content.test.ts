import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bytesOf, content, contentOf, writeContent } from '../../bench/content.ts'

const SIZES = [1, 15, 16, 17, 1024, 2 ** 20, 2 ** 20 + 16, 3 * 2 ** 20 + 5]

t.test('a content is as long as it says, and its digest is that of its bytes', async (t) => {
  for (const size of SIZES) {
    const whole = Buffer.concat([...bytesOf(content(size, 'a'))])
    t.equal(whole.length, size)
    t.equal(`sha256:${createHash('sha256').update(whole).digest('hex')}`, content(size, 'a').digest)
    t.not(content(size, 'b').digest, content(size, 'a').digest)
  }
})

t.test('its parts make up the whole, wherever it is cut', async (t) => {
  const size = 2 ** 20 + 100
  const given = content(size, 'cut')
  const whole = Buffer.concat([...bytesOf(given)])
  for (const cut of [0, 1, 2 ** 20 - 1, 2 ** 20, size - 17, size - 16, size - 3, size]) {
    const parts = [...bytesOf(given, 0, cut), ...bytesOf(given, cut, size)]
    t.ok(Buffer.concat(parts).equals(whole), `cut at ${cut}`)
  }
  const given2 = contentOf(Buffer.from('given'))
  t.equal(Buffer.concat([...bytesOf(given2, 1, 3)]).toString(), 'iv')
})

t.test('a file of one content becomes that of another', async (t) => {
  const file = join(t.testdir(), 'file')
  const [former, latter] = [content(5000, 'former'), content(5000, 'latter')]
  writeContent(file, former)
  t.ok(readFileSync(file).equals(Buffer.concat([...bytesOf(former)])))
  writeContent(file, latter, former)
  t.ok(readFileSync(file).equals(Buffer.concat([...bytesOf(latter)])))
})
