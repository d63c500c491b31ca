// Ceph's gateway: another S3, which knows neither checksums nor conditions on all calls.
import { startRadosgw } from '../support/s3-servers.ts'
import { createVerdict } from '../support/verdict.ts'
import { runContract } from './contract.ts'

const { server } = await startRadosgw()
await runContract(createVerdict(), 's3-contract.ts', { BERTH_S3_URL: server.url })
await server.stop()
