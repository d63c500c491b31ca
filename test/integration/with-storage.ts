import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { toEnvironment } from './support/storage.ts'
import { STORES } from './support/stores.ts'

/**
 * Runs a command whose checks let berth store in a real object store, which is started for it:
 *
 *     node test/integration/with-storage.ts s3 npm run conformance
 *
 * Each folder that a check would use is a root directory in its one bucket. Settings of the storage in the environment
 * hold as well: REGISTRY_STORAGE_REDIRECT_DISABLE=true is for clients of ours, which do not follow redirects.
 */

const [name = '', command, ...args] = process.argv.slice(2)
const start = STORES[name]
if (start === undefined || command === undefined) {
  throw new Error(`with-storage.ts ${Object.keys(STORES).join('|')} COMMAND…`)
}
const { storage, stop } = await start()
const more = Object.entries(process.env).filter(([name]) => name.startsWith('REGISTRY_STORAGE_'))
Object.assign(storage.settings, Object.fromEntries(more))
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...toEnvironment(storage) } })
await once(child, 'exit')
await stop()
process.exitCode = child.exitCode ?? 1
