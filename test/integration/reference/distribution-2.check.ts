// One folder, two registries: berth and CNCF distribution 2.8, as Debian has it.
import { needCommands } from '../support/steps.ts'
import { testStorage } from '../support/storage.ts'
import { checkGarbageCollection } from './garbage.ts'
import { checkTurns } from './turns.ts'

await needCommands('docker-registry')
const command = 'docker-registry'
// MinIO refuses a multipart upload whose only part is empty, which is how 2.8 stores an empty layer.
await checkTurns(command, { emptyLayer: testStorage() === undefined })
await checkGarbageCollection(command)
