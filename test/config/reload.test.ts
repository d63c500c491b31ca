import { writeFileSync } from 'node:fs'
import t from 'tap'
import { readConfig } from '../../src/config/read.ts'
import { reload } from '../../src/config/reload.ts'
import { fileWith } from './problems.ts'

const FILE = "version: 0.1\nhttp: {addr: '127.0.0.1:5000'}\nstorage: filesystem\n"
const READ_ONLY = FILE.replace(
  'storage: filesystem',
  'storage: {filesystem: {rootdirectory: /elsewhere}, maintenance: {readonly: {enabled: true}}}'
)

t.test('what may change while berth runs is as it is now, and everything else as it was', async (t) => {
  const first = await readConfig({}, fileWith(t, FILE))
  const now = await readConfig({ REGISTRY_AUTH: 'none' }, fileWith(t, `${READ_ONLY}log: {level: debug}\n`))
  const { reading, changed, waiting } = reload(first, now)
  t.strictSame(changed, ['log.level', 'storage.maintenance.readonly.enabled'])
  t.strictSame(waiting, ['storage.filesystem.rootdirectory', 'auth'])
  const { config } = first
  t.strictSame(reading.config, {
    ...config,
    log: { ...config.log, level: 'debug' },
    storage: {
      ...config.storage,
      maintenance: { ...config.storage.maintenance, readonly: { enabled: true } }
    }
  })

  const third = reload(reading, first)
  t.strictSame(third.changed, changed, 'and back again')
  t.strictSame(third.waiting, [])
  t.strictSame(third.reading.config, config)
})

t.test('a variable outranks the file also when it changes', async (t) => {
  const file = fileWith(t, FILE)
  const env = { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{enabled: true}' }
  const first = await readConfig(env, file)
  writeFileSync(file, READ_ONLY.replace('true', 'false'))
  t.strictSame(reload(first, await readConfig(env, file)).changed, [])
})
