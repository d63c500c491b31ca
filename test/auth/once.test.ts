import t from 'tap'
import { createWarning } from '../../src/auth/once.ts'
import { relatives } from '../registry/family.ts'

t.test('the processes of a pod give a warning once', async (t) => {
  const lines: string[] = []
  const logger = { warn: (text: string) => void lines.push(text) }
  const processes = relatives(3).map((siblings) => createWarning('a topic', { siblings, logger }))
  await Promise.all(processes.map((warn, index) => warn(`said by ${index}`)))
  for (const warn of processes) await warn('said again')
  t.equal(lines.length, 1)
  t.match(lines[0], /^said by/)
})

t.test('a process that comes later does not repeat it', async (t) => {
  const lines: string[] = []
  const logger = { warn: (text: string) => void lines.push(text) }
  const [first, later] = relatives(2).map((siblings) => (topic: string) => {
    const warn = createWarning(topic, { siblings, logger })
    return () => warn(topic)
  })
  await first?.('one')()
  await later?.('one')()
  await later?.('other')()
  t.strictSame(lines, ['one', 'other'])
})
