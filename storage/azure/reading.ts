import type { BlobClient } from '@azure/storage-blob'
import type { ByteRange } from '../driver.ts'
import type { Retrying } from '../objects/retry.ts'
import { SILENCE_MS } from '../objects/silence.ts'
import type { Opened } from '../objects/store.ts'
import { isFolder } from './listing.ts'

/** Undefined of what is the folder of an account with a hierarchical namespace. @throws what the SDK throws */
export async function openBlob(
  call: Retrying,
  blob: BlobClient,
  range: ByteRange | undefined,
  version: string | undefined
): Promise<Opened | undefined> {
  const start = range?.start ?? 0
  const count = range && range.end < Number.MAX_SAFE_INTEGER ? range.end - start + 1 : undefined
  const answer = await call('GetBlob', async (signal) => {
    // The SDK would cut the body as well when the time for an answer is over.
    const headers = new AbortController()
    const giveUp = (): void => headers.abort(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      const conditions = version === undefined ? {} : { ifMatch: version }
      return await blob.download(start, count, {
        abortSignal: headers.signal,
        conditions,
        maxRetryRequests: 0
      })
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  })
  const { readableStreamBody: body, contentRange, contentLength, etag, metadata } = answer
  if (body === undefined || etag === undefined)
    throw new TypeError('Azure answered without a body or an ETag')
  // Until somebody reads, nobody listens, and the process would end with a connection that breaks.
  body.on('error', () => {})
  if (isFolder(metadata)) {
    ;(body as Destroyable).destroy()
    return undefined
  }
  const size = Number(contentRange?.split('/')[1] ?? contentLength)
  if (start > 0 && start >= size) {
    // Azurite answers so, where the service says 416.
    ;(body as Destroyable).destroy()
    throw new RangeError(`${size} bytes end before byte ${start}`)
  }
  return { size, version: etag, chunks: watched(body as AsyncIterable<Buffer> & Destroyable) }
}

interface Destroyable {
  destroy(error?: Error): void
}

/** As `endWhenSilent`, of a body whose connection the SDK hides. The clock runs only while we wait for the service: a reader may be as slow as it likes. */
async function* watched(body: AsyncIterable<Buffer> & Destroyable): AsyncGenerator<Buffer> {
  let isWaiting = true
  const timer = setTimeout(() => {
    if (isWaiting) body.destroy(new Error(`Azure sent nothing for ${SILENCE_MS / 1000} s`))
    else timer.refresh()
  }, SILENCE_MS).unref()
  try {
    for await (const chunk of body) {
      isWaiting = false
      yield chunk
      isWaiting = true
      timer.refresh()
    }
  } finally {
    clearTimeout(timer)
    body.destroy()
  }
}
