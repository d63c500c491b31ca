import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { GoMissing, goTool } from '../../go/build.ts'
import {
  CommandFailed,
  freePort,
  neutralEnvironment,
  type RunningServer,
  run,
  scratch,
  startServer
} from './processes.ts'
import { skip } from './verdict.ts'

/** A real server that speaks S3, with one empty bucket. */
export interface S3Server {
  server: RunningServer
  bucket: string
  accesskey: string
  secretkey: string
}

const ACCOUNT = { accesskey: 'TESTKEY', secretkey: 'TESTSECRET' }
const BUCKET = 'images'

/** MinIO over a folder of its own. Without Go the script ends as one that cannot run here. */
export async function startMinio(): Promise<S3Server> {
  const command = await goTool('minio').catch((error: unknown) => {
    if (error instanceof GoMissing) return skip(error.message)
    throw error
  })
  const root = scratch()
  const port = await freePort()
  const server = await startServer({
    command,
    args: ['server', '--address', `127.0.0.1:${port}`, '--quiet', root],
    env: {
      ...neutralEnvironment(),
      MINIO_ROOT_USER: ACCOUNT.accesskey,
      MINIO_ROOT_PASSWORD: ACCOUNT.secretkey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off'
    },
    port,
    root,
    ready: '/minio/health/live'
  })
  return withBucket(server)
}

/** Ceph's gateway over a cluster in memory. Where it is not installed, the script ends as one that cannot run here. */
export async function startRadosgw(): Promise<S3Server> {
  for (const command of ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph', 'radosgw-admin']) {
    await run(command, ['--version']).catch((error: unknown) => {
      if (error instanceof CommandFailed) throw error
      skip(`there is no ${command}: install radosgw, ceph-mon, ceph-osd and ceph-common`)
    })
  }
  const root = scratch()
  const port = await freePort()
  const server = await startServer({
    command: join(import.meta.dirname, 'radosgw.sh'),
    args: [root, String(port), String(await freePort()), ACCOUNT.accesskey, ACCOUNT.secretkey],
    env: neutralEnvironment(),
    port,
    root,
    ready: '/',
    patienceMs: 180_000
  })
  return withBucket(server)
}

async function withBucket(server: RunningServer): Promise<S3Server> {
  const client = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCOUNT.accesskey, secretAccessKey: ACCOUNT.secretkey }
  })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  client.destroy()
  return { server, bucket: BUCKET, ...ACCOUNT }
}
