import t from 'tap'
import { deriveKeys } from '../../src/auth/keys.ts'
import { seal, unseal } from '../../src/auth/sealing.ts'

const keys = deriveKeys('a secret')
const plain = Buffer.from('{"username":"alice"}')

t.test('a sealed text opens with its keys in its context, and no two are the same', async (t) => {
  const sealed = seal(keys, plain, 'context')
  t.match(sealed, /^[\w-]+$/)
  t.strictSame(unseal(keys, sealed, 'context'), plain)
  t.not(seal(keys, plain, 'context'), sealed)
  t.strictSame(unseal(keys, seal(keys, Buffer.alloc(0), ''), ''), Buffer.alloc(0))
})

t.test('it opens with no other keys, in no other context and not under another key id', async (t) => {
  const sealed = seal(keys, plain, 'context')
  t.equal(unseal(deriveKeys('another secret'), sealed, 'context'), undefined)
  t.equal(unseal(keys, sealed, 'another context'), undefined)
  t.equal(unseal(keys, sealed, ''), undefined)
  t.equal(unseal({ ...keys, id: 'berth-another' }, sealed, 'context'), undefined)
})

t.test('it does not open once a bit is changed, or a part of it is gone', async (t) => {
  const bytes = Buffer.from(seal(keys, plain, 'context'), 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    if (unseal(keys, changed.toString('base64url'), 'context') !== undefined) t.fail(`bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++) {
    const parts = [bytes.subarray(0, length), bytes.subarray(bytes.length - length)]
    for (const part of parts) t.equal(unseal(keys, part.toString('base64url'), 'context'), undefined)
  }
  for (const text of ['', '!', '\0', 'é'.repeat(100)]) t.equal(unseal(keys, text, 'context'), undefined)
})
