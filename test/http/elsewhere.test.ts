import t from 'tap'
import { createElsewhere } from '../../src/http/elsewhere.ts'

const URL = 'https://store.example.com/blob'

/** A signer that does what the test says, and a clock. */
function scene() {
  let [time, asked] = [0, 0]
  let sign = async () => URL
  const warnings: string[] = []
  const elsewhere = createElsewhere(() => time)
  return {
    ask: (size = 64 * 1024) => {
      const redirect = async () => {
        asked++
        return sign()
      }
      return elsewhere({ size, redirect }, undefined, (text) => warnings.push(text))
    },
    warnings,
    asked: () => asked,
    pass: (ms: number) => {
      time += ms
    },
    fail: (isIll: boolean) => {
      sign = async () => (isIll ? Promise.reject(new Error('ill')) : URL)
    }
  }
}

t.test('only a large blob is elsewhere', async (t) => {
  const { ask, asked } = scene()
  t.equal(await ask(64 * 1024 - 1), undefined)
  t.equal(asked(), 0)
  t.equal(await ask(), URL)
})

t.test('a signer that is ill is told of once, and left alone for a minute', async (t) => {
  const { ask, asked, warnings, fail, pass } = scene()
  fail(true)
  t.strictSame(await Promise.all([ask(), ask()]), [undefined, undefined])
  t.strictSame([asked(), warnings.length], [2, 1])
  fail(false)
  pass(59_999)
  t.equal(await ask(), undefined)
  t.equal(asked(), 2)
  pass(1)
  t.equal(await ask(), URL)
  t.equal(warnings.length, 1)
})
