// Azurite: everything that is promised of a container, by the account's key and by tokens.
import { join } from 'node:path'
import { startAzurite } from '../support/azurite.ts'
import { CHECKOUT } from '../support/processes.ts'
import { createVerdict } from '../support/verdict.ts'
import { runContract } from './contract.ts'

const TLS = join(CHECKOUT, 'test/kubernetes/tls')

const plain = await startAzurite()
// It takes tokens over nothing else, but over that it cannot read the pieces of a blob from itself.
const secure = await startAzurite({ key: join(TLS, 'server.key'), cert: join(TLS, 'server.crt') })
await runContract(createVerdict(), 'azure-contract.ts', {
  BERTH_AZURE_URL: plain.url,
  BERTH_AZURE_TLS_URL: secure.url,
  BERTH_AZURE_KEY: plain.key,
  NODE_EXTRA_CA_CERTS: join(TLS, 'ca.crt')
})
await plain.server.stop()
await secure.server.stop()
