import t from 'tap'
import { holdToken } from '../../../storage/azure/token.ts'

const MINUTE = 60_000

/** A credential whose tokens are good for so long, and a clock. */
function scene(lifeMs: number) {
  let [time, asked] = [1_000_000, 0]
  let fault: Error | undefined
  const getToken = async () => {
    asked++
    if (fault !== undefined) throw fault
    return { token: `token-${asked}`, expiresOnTimestamp: time + lifeMs }
  }
  return {
    token: holdToken({ getToken }, () => time),
    asked: () => asked,
    pass: (ms: number) => {
      time += ms
    },
    fail: (by?: Error) => {
      fault = by
    }
  }
}

t.test('a token is asked for once a minute, however long it is good', async (t) => {
  const { token, asked, pass } = scene(24 * 60 * MINUTE)
  t.strictSame(await Promise.all([token(), token(), token()]), ['token-1', 'token-1', 'token-1'])
  pass(MINUTE - 1)
  t.equal(await token(), 'token-1')
  pass(1)
  t.equal(await token(), 'token-2')
  t.equal(asked(), 2)
})

t.test('a token that ends is not held any longer', async (t) => {
  const { token, pass } = scene(10_000)
  t.equal(await token(), 'token-1')
  pass(9_999)
  t.equal(await token(), 'token-1')
  pass(1)
  t.equal(await token(), 'token-2')
})

t.test('that there was no token is not held', async (t) => {
  const { token, fail } = scene(MINUTE)
  fail(new Error('away'))
  await Promise.all([t.rejects(token(), { message: 'away' }), t.rejects(token(), { message: 'away' })])
  fail()
  t.equal(await token(), 'token-2')
})
