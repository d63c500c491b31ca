import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { memoryStorage } from '../../storage/memory.ts'
import { berth, listen } from './support.ts'

const request = 'GET /v2/a/tags/list HTTP/1.1\r\nhost: localhost\r\n\r\n'

t.test('who sends request after request without waiting for answers is cut off', async (t) => {
  const storage = memoryStorage()
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const world = await berth(t, {
    storage: {
      ...storage,
      async list(...args: Parameters<typeof storage.list>) {
        await released
        return storage.list(...args)
      }
    }
  })
  const port = await listen(world)
  const greedy = connect(port, '127.0.0.1')
  greedy.on('error', () => {})
  greedy.write(request.repeat(200))
  await once(greedy, 'close')

  const patient = connect(port, '127.0.0.1')
  t.teardown(() => patient.destroy())
  let text = ''
  patient.on('data', (bytes) => {
    text += bytes
  })
  patient.write(request.repeat(90))
  release()
  const answers = () => text.split('HTTP/1.1 404').length - 1
  while (answers() < 90) await once(patient, 'data')
  for (let count = 0; count < 5; count++) {
    patient.write(request.repeat(50))
    const all = answers() + 50
    while (answers() < all) await once(patient, 'data')
  }
  t.equal(answers(), 340)
})
