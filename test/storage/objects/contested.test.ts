import t from 'tap'
import { putContested } from '../../../storage/objects/contested.ts'
import { ConditionFailed } from '../../../storage/objects/store.ts'

t.test(
  'it is put on the condition that was seen, anew as long as others come first, and at last without',
  async (t) => {
    for (const [overtaken, conditions] of [
      [0, ['v1']],
      [2, ['v1', 'v2', 'v3']],
      [9, ['v1', 'v2', 'v3', 'v4', 'v5', undefined]]
    ] as const) {
      let looks = 0
      const seen: unknown[] = []
      await putContested(
        async () => `v${++looks}`,
        async (condition) => {
          seen.push(condition)
          if (condition !== undefined && seen.length <= overtaken) throw new ConditionFailed('k')
        }
      )
      t.strictSame(seen, conditions)
    }
  }
)

t.test('what else goes wrong is thrown', async (t) => {
  let looks = 0
  const put = async () => Promise.reject(new Error('down'))
  await t.rejects(
    putContested(async () => ++looks, put),
    { message: 'down' }
  )
  t.equal(looks, 1)
})
