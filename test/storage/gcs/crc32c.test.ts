import t from 'tap'
import { crc32c } from '../../../storage/gcs/crc32c.ts'
import { noise } from '../bodies.ts'
import { crc32cOf } from './fake-gcs.ts'

const hexOf = (bytes: Uint8Array): string => Buffer.from(crc32c([bytes]), 'base64').toString('hex')

t.test('the sums of RFC 3720, B.4', async (t) => {
  t.equal(hexOf(new Uint8Array(32)), '8a9136aa')
  t.equal(hexOf(new Uint8Array(32).fill(0xff)), '62a8ab43')
  t.equal(hexOf(Uint8Array.from({ length: 32 }, (_, i) => i)), '46dd794e')
  t.equal(hexOf(Buffer.from('123456789')), 'e3069283')
  t.equal(hexOf(Buffer.alloc(0)), '00000000')
})

t.test('the sum does not depend on where bytes lie, and how they are cut', async (t) => {
  const whole = noise(5000)
  const sum = crc32cOf(whole)
  for (let offset = 0; offset < 9; offset++) {
    const moved = Buffer.alloc(5009)
    whole.copy(moved, offset)
    t.equal(crc32c([moved.subarray(offset, offset + 5000)]), sum)
    t.equal(crc32c([whole.subarray(0, offset), whole.subarray(offset, 777), whole.subarray(777)]), sum)
  }
})
