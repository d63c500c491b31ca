// One folder, two registries: berth and CNCF distribution 2.8, as Debian has it.
import { needCommands } from '../support/steps.ts'
import { checkGarbageCollection } from './garbage.ts'
import { checkTurns } from './turns.ts'

await needCommands('docker-registry')
const command = 'docker-registry'
await checkTurns(command)
await checkGarbageCollection(command)
