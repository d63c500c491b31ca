import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { readText } from '../objects/exchange.ts'
import type { S3Options, Surroundings } from '../options.ts'
import { type Calls, readNothing, readXml } from './calls.ts'
import { creationOf } from './creation.ts'
import type { Fault } from './faults.ts'
import { keysBelow } from './keys.ts'
import { abortUpload, beginMultipart, listUploads } from './multipart.ts'
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
  const { call } = calls
  const keys = keysBelow(options.rootdirectory)
  await call({
    operation: 'ListObjectsV2',
    method: 'GET',
    query: { 'list-type': 2, prefix: keys.of(''), 'max-keys': 1 },
    read: readXml('ListBucketResult')
  })
  // Nothing conditional is asked of what nobody may write.
  if (isReadOnly) return { create: true, remove: true }

  const name = keys.of(`@drafts/${randomUUID()}/0`)
  const creation = creationOf(options)
  /** Whether the condition was heeded; undefined: the store does not know it, and says so. */
  const refuses = ({ status }: Fault) =>
    status === 412 ? Promise.resolve(true) : status === 501 ? Promise.resolve(undefined) : undefined
  const isHeeded = async (answer: IncomingMessage): Promise<boolean | undefined> => {
    await readNothing(answer)
    return false
  }
  const put = async (condition?: Record<string, string>) =>
    call({
      ...{ operation: 'PutObject', method: 'PUT', name, headers: { ...creation, ...condition } },
      ...{ body: [Buffer.from('berth')], read: isHeeded, ...(condition && { answers: refuses }) }
    })
  const remove = async (condition?: Record<string, string>) =>
    call({
      ...{ operation: 'DeleteObject', method: 'DELETE', name, ...(condition && { headers: condition }) },
      ...{ read: isHeeded, ...(condition && { answers: refuses }) }
    })

  const isNew = { 'if-none-match': '*' }
  const isKnown = (await put(isNew)) !== undefined
  const conditions = {
    create: (await put(isKnown ? isNew : undefined)) === true,
    remove: false
  }
  await call({ operation: 'GetObject', method: 'GET', name, read: readText })
  conditions.remove = (await remove({ 'if-match': '"not this one"' })) === true
  await remove()

  const { id } = await beginMultipart({ calls, creation, isChecked: false }, name, false)
  await abortUpload(calls, name, id)
  await listUploads(calls, { prefix: name, 'max-uploads': 1 })
  if (!conditions.create) {
    log.warn(
      `the bucket ${options.bucket} ignores "If-None-Match: *": of two clients that send one upload at the same moment both may succeed. Run one replica, or a store that heeds it`
    )
  }
  return conditions
}
