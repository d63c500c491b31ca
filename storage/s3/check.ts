import { randomUUID } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand
} from '@aws-sdk/client-s3'
import type { S3Options, Surroundings } from '../options.ts'
import type { Calls } from './calls.ts'
import { creationOf } from './creation.ts'
import { keysBelow } from './keys.ts'
import { listUploads } from './multipart.ts'
import type { Conditions } from './store.ts'

/**
 * Tries out once, before the first request, what berth will do: each permission that is missing is told by name, and so
 * is a bucket that is not there. What the store makes of conditions it finds out in passing.
 * @throws StorageUnavailable
 */
export async function checkBucket(
  calls: Calls,
  options: S3Options,
  { isReadOnly, log }: Pick<Surroundings, 'isReadOnly' | 'log'>
): Promise<Conditions> {
  const { bucket: Bucket } = options
  const keys = keysBelow(options.rootdirectory)
  await calls.call('ListObjectsV2', async (client, abortSignal) => {
    return client.send(new ListObjectsV2Command({ Bucket, Prefix: keys.of(''), MaxKeys: 1 }), { abortSignal })
  })
  // Nothing conditional is asked of what nobody may write.
  if (isReadOnly) return { create: true, remove: true }

  const name = { Bucket, Key: keys.of(`@drafts/${randomUUID()}/0`) }
  const creation = creationOf(options)
  const refuses = ({ status }: { status: number | undefined }) =>
    status === 412 || status === 501 ? Promise.resolve(status) : undefined
  const put = async (condition: { IfNoneMatch?: string }) => {
    const input = { ...name, ...creation, ...condition, Body: Buffer.from('berth') }
    return calls.call<unknown>(
      'PutObject',
      async (client, abortSignal) => client.send(new PutObjectCommand(input), { abortSignal }),
      refuses
    )
  }

  const isNew = { IfNoneMatch: '*' }
  const first = await put(isNew)
  // 501: it does not know the header, and says so.
  const create = (first === 501 ? await put({}) : await put(isNew)) === 412
  await calls.call('GetObject', async (client, abortSignal) => {
    const { Body } = await client.send(new GetObjectCommand(name), { abortSignal })
    return Body?.transformToByteArray()
  })
  const remove =
    (await calls.call<unknown>(
      'DeleteObject',
      async (client, abortSignal) => {
        return client.send(new DeleteObjectCommand({ ...name, IfMatch: '"not this one"' }), { abortSignal })
      },
      refuses
    )) === 412
  await calls.call('DeleteObject', async (client, abortSignal) => {
    return client.send(new DeleteObjectCommand(name), { abortSignal })
  })

  const { UploadId } = await calls.call('CreateMultipartUpload', async (client, abortSignal) => {
    return client.send(new CreateMultipartUploadCommand({ ...name, ...creation }), { abortSignal })
  })
  await calls.call('AbortMultipartUpload', async (client, abortSignal) => {
    return client.send(new AbortMultipartUploadCommand({ ...name, UploadId }), { abortSignal })
  })
  await listUploads(calls, { Bucket, Prefix: name.Key, MaxUploads: 1 })
  if (!create) {
    log.warn(
      `the bucket ${Bucket} ignores "If-None-Match: *": of two clients that send one upload at the same moment both may succeed. Run one replica, or a store that heeds it`
    )
  }
  return { create, remove }
}
