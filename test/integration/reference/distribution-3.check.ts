// One folder, two registries: berth and CNCF distribution 3.
import { needGoTool } from '../support/steps.ts'
import { checkGarbageCollection } from './garbage.ts'
import { checkTurns } from './turns.ts'

const command = await needGoTool('distribution')
await checkTurns(command)
await checkGarbageCollection(command)
