// MinIO, built from source: everything that is promised of a bucket.
import { startMinio } from '../support/s3-servers.ts'
import { createVerdict } from '../support/verdict.ts'
import { runContract } from './contract.ts'

const { server } = await startMinio()
await runContract(createVerdict(), 's3-contract.ts', { BERTH_S3_URL: server.url })
await server.stop()
