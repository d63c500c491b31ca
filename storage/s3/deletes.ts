import { createHash } from 'node:crypto'
import { inParallel } from '../parallel.ts'
import { type Calls, readNothing, readXml } from './calls.ts'
import { isPassing, isRefused } from './faults.ts'
import { listOf, textOf, toXml } from './xml.ts'

const BATCH = 1000
const SINGLE_AT_ONCE = 20

/** Answers of stores that do not know the call. */
const UNKNOWN_CALL = new Set([400, 404, 405, 411, 501])

/** Removes objects by the store's names, in as few calls as the store allows. */
export function createDeletes({ call }: Calls): (names: readonly string[]) => Promise<void> {
  let isBatchKnown = true
  const readResult = readXml('DeleteResult')

  async function deleteOne(name: string): Promise<void> {
    await call({ operation: 'DeleteObject', method: 'DELETE', name, read: readNothing })
  }

  /** Those that the store did not remove. */
  async function deleteBatch(names: readonly string[]): Promise<string[]> {
    const body = toXml('Delete', { Quiet: 'true', Object: names.map((Key) => ({ Key })) })
    return call({
      operation: 'DeleteObjects',
      method: 'POST',
      query: { delete: '' },
      headers: {
        'content-type': 'application/xml',
        // The oldest of the ways to say what the body must be, and the only one that all stores know.
        'content-md5': createHash('md5').update(body).digest('base64')
      },
      body: [body],
      read: async (...answer) =>
        listOf(await readResult(...answer), 'Error').flatMap((error) => {
          const key = textOf(error, 'Key')
          return key === undefined || textOf(error, 'Code') === 'NoSuchKey' ? [] : [key]
        }),
      answers(fault) {
        const { status = 0, code } = fault
        if (!UNKNOWN_CALL.has(status) || code === 'NoSuchBucket') return undefined
        // Of what passes, and of credentials, the next batch may be free.
        if (isPassing(fault) || isRefused(fault)) return undefined
        isBatchKnown = false
        return Promise.resolve([...names])
      }
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
