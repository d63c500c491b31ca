import t from 'tap'
import { openGcsStore } from '../../../storage/gcs.ts'
import { bytes } from '../bodies.ts'
import { storeContract } from '../objects/store-contract.ts'
import { startFakeGcs } from './fake-gcs.ts'
import { gcsOptions, surroundings } from './support.ts'

t.test('a root directory is where distribution has it, however it is written', async (t) => {
  const roots: [string | undefined, string][] = [
    [undefined, 'docker/x'],
    ['/', 'docker/x'],
    ['/a/b', 'a/b/docker/x'],
    ['a/b/', 'a/b/docker/x']
  ]
  for (const [rootdirectory, name] of roots) {
    const fake = await startFakeGcs()
    t.teardown(async () => fake.close())
    const env = { STORAGE_EMULATOR_HOST: fake.url }
    const store = await openGcsStore(gcsOptions({ rootdirectory }), surroundings(env))
    fake.objects.clear()
    await store.put('docker/x', [bytes('x')])
    t.strictSame([...fake.objects.keys()], [name])
    const { objects } = await store.list('', { byFolder: false })
    t.strictSame(
      objects.map(({ key }) => key),
      ['docker/x']
    )
    t.strictSame((await store.list('', { byFolder: true })).folders, ['docker'])
  }
})

t.test('what every store promises, below a root directory beside other objects', async (t) => {
  await storeContract(t, async (t) => {
    const fake = await startFakeGcs()
    t.teardown(async () => fake.close())
    const env = { STORAGE_EMULATOR_HOST: fake.url }
    const whole = await openGcsStore(gcsOptions(), surroundings(env))
    for (const key of ['a', 'a/b', 'a/b-/x', 'a/c', 'b']) await whole.put(key, [bytes('foreign')])
    return openGcsStore(gcsOptions({ rootdirectory: '/a/b' }), surroundings(env))
  })
})
