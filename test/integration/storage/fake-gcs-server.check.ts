// fake-gcs-server, built from source: everything that is promised of a bucket.
import { startFakeGcsServer } from '../support/gcs-server.ts'
import { createVerdict } from '../support/verdict.ts'
import { runContract } from './contract.ts'

/** What this server does otherwise than Google's: our own fake shows these cases. */
const UNABLE = [
  // It ignores ifGenerationMatch on all but uploads.
  'a version names one content, and no other is given for it',
  'a delete of a version removes no other',
  'who replaces an object wins over those who remove the former one',
  // It answers 500 when a source is missing.
  'a piece that is gone leaves the target as it was',
  // Every page has all prefixes, and maxResults counts objects only.
  'pages of any length give each entry once'
]

const server = await startFakeGcsServer()
await runContract(createVerdict(), 'gcs-contract.ts', { BERTH_GCS_URL: server.url }, UNABLE)
await server.stop()
