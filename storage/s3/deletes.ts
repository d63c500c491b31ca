import { createHash } from 'node:crypto'
import { DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3'
import { inParallel } from '../parallel.ts'
import type { Calls } from './calls.ts'
import type { Endpoint } from './client.ts'

const BATCH = 1000
const SINGLE_AT_ONCE = 20

/** Answers of stores that do not know the call. */
const UNKNOWN_CALL = new Set([400, 404, 405, 411, 501])

/** Other stores than Amazon's know only the older way to say what a body must be, and some not even the call. */
export function sendContentMd5(client: S3Client, { isAmazon }: Endpoint): void {
  if (isAmazon) return
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const { headers, body } = args.request as { headers: Record<string, string>; body: string }
        if (commandName !== 'DeleteObjectsCommand') return next(args)
        for (const name of Object.keys(headers)) {
          if (/^x-amz-(sdk-)?checksum-/.test(name)) delete headers[name]
        }
        headers['content-md5'] = createHash('md5').update(body).digest('base64')
        return next(args)
      },
    { step: 'build', priority: 'low', name: 'sendContentMd5' }
  )
}

/** Removes objects by the store's names, in as few calls as the store allows. */
export function createDeletes(calls: Calls, bucket: string): (names: readonly string[]) => Promise<void> {
  let isBatchKnown = true

  async function deleteOne(name: string): Promise<void> {
    await calls.call('DeleteObject', async (client, abortSignal) => {
      return client.send(new DeleteObjectCommand({ Bucket: bucket, Key: name }), { abortSignal })
    })
  }

  /** Those that the store did not remove. */
  async function deleteBatch(names: readonly string[]): Promise<string[]> {
    const Objects = names.map((Key) => ({ Key }))
    const input = { Bucket: bucket, Delete: { Objects, Quiet: true } }
    const send = async (client: S3Client, abortSignal: AbortSignal) => {
      const { Errors = [] } = await client.send(new DeleteObjectsCommand(input), { abortSignal })
      return Errors.flatMap(({ Key, Code }) => (Key === undefined || Code === 'NoSuchKey' ? [] : [Key]))
    }
    return calls.call('DeleteObjects', send, ({ status = 0, code }) => {
      if (!UNKNOWN_CALL.has(status) || code === 'NoSuchBucket') return undefined
      isBatchKnown = false
      return Promise.resolve([...names])
    })
  }

  return async (names) => {
    for (let start = 0; start < names.length; start += BATCH) {
      const batch = names.slice(start, start + BATCH)
      // What a batch leaves, each on its own: that tries again, and its error names the reason.
      const rest = isBatchKnown ? await deleteBatch(batch) : batch
      await inParallel(rest, SINGLE_AT_ONCE, deleteOne)
    }
  }
}
