import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readConfig } from '../src/config/read.ts'
import { followFile } from '../src/reloading.ts'

const text = (isReadOnly: boolean): string => `version: 0.1
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  maintenance: {readonly: {enabled: ${isReadOnly}}}
http: {addr: '127.0.0.1:5000'}
`

t.test('what the file says counts, also when it said the same when it was looked at last', async (t) => {
  const file = join(t.testdir({ 'config.yml': text(false) }), 'config.yml')
  const states: boolean[] = []
  const { reload } = followFile({
    reading: await readConfig({}, file),
    file,
    env: {},
    logger: { info: () => {}, warn: () => {}, error: (problem: unknown) => t.fail(String(problem)) },
    async apply({ storage }) {
      states.push(storage.maintenance.readonly.enabled)
    }
  })
  const until = async (count: number): Promise<void> => {
    while (states.length < count) await sleep(20)
  }
  writeFileSync(file, text(true))
  await until(1)
  writeFileSync(file, text(false))
  await reload() // as by SIGHUP
  writeFileSync(file, text(true)) // before it is looked at again
  await until(3)
  t.strictSame(states, [true, false, true])
})

t.test('what is wrong with the file is told in one line', async (t) => {
  const file = join(t.testdir({ 'config.yml': text(false) }), 'config.yml')
  const errors: unknown[] = []
  const { reload } = followFile({
    reading: await readConfig({}, file),
    file,
    env: {},
    logger: { info: () => {}, warn: () => {}, error: (problem: unknown) => errors.push(problem) },
    async apply() {
      t.fail('nothing has changed')
    }
  })
  writeFileSync(file, text(true).replace('5000', 'x').replace('0.1', '0.2'))
  await reload()
  t.strictSame(errors, [
    `the configuration stays as it was, since the configuration has 2 problems: ${file}:1: version must be 0.1; ` +
      `${file}:5: http.addr must be host:port with a port up to 65535, such as 127.0.0.1:5000, [::1]:5000 or :5000 ` +
      'for every address'
  ])
})
