import t from 'tap'
import { openAzureStore } from '../../../storage/azure.ts'
import { storeContract } from '../objects/store-contract.ts'
import { startFakeService } from './fake-service.ts'
import { optionsFor, surroundings } from './fresh.ts'

t.test('a container, below a root directory, with a leading slash', async (t) => {
  const service = await startFakeService(t)
  const more = { rootdirectory: 'a/b/', islegacy: true }
  storeContract(t, () => openAzureStore(optionsFor(service, service.createContainer(), more), surroundings()))
})
