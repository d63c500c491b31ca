import { EventEmitter } from 'node:events'
import t from 'tap'
import { createReadOnly } from '../../src/operations/read-only.ts'

t.test('once it is on, and what writes is over, nothing writes any more', async (t) => {
  const readOnly = createReadOnly(false)
  const [one, other] = [new EventEmitter(), new EventEmitter()]
  for (const answer of [one, other]) readOnly.admit(answer)
  let isQuiet = false
  const set = readOnly.set(true).then(() => {
    isQuiet = true
  })
  t.equal(readOnly.isOn(), true, 'at once')
  one.emit('close')
  await null
  await null
  t.equal(isQuiet, false)
  other.emit('close')
  await set
  await readOnly.set(true)
})

t.test('nobody waits for it when it is off again', async (t) => {
  const readOnly = createReadOnly(false)
  readOnly.admit(new EventEmitter())
  const set = readOnly.set(true)
  await readOnly.set(false)
  await set
  t.equal(readOnly.isOn(), false)
})
