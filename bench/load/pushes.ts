import { bytesOf, type Content, content } from '../content.ts'
import { type Answer, type Connection, connect, type Exchange } from './connection.ts'
import type { Tally } from './tally.ts'

export interface PushesJob {
  job: 'pushes'
  repository: string
  /** Of the contents; each has a connection of its own, all at once. */
  ids: readonly string[]
  size: number
  /** One PATCH for each so many bytes; one for the whole if not said. */
  chunkSize?: number
}

/** Pushes blobs, each over a connection of its own. */
export async function pushes(url: string, job: PushesJob, tally: Tally): Promise<() => Promise<void>> {
  const { repository, ids, size, chunkSize } = job
  const blobs = ids.map((id) => content(size, id))
  const connections = await Promise.all(blobs.map(() => connect(url)))
  return async () => {
    await Promise.all(
      blobs.map(async (blob, number) => {
        const connection = connections[number]
        if (connection === undefined) throw new Error('unreachable')
        const since = performance.now()
        await pushBlob(connection, repository, blob, tally, chunkSize)
        tally.took('push', performance.now() - since)
      })
    )
  }
}

/** POST, PATCH, PUT. */
export async function pushBlob(
  connection: Connection,
  repository: string,
  blob: Content,
  tally: Tally,
  chunkSize = blob.size
): Promise<void> {
  const opening = { method: 'POST', path: uploadsOf(repository), headers: { 'Content-Length': 0 } }
  let answer = await connection.exchange(opening)
  tally.check(opening, answer, 202)
  for (let at = 0; at < blob.size; at += chunkSize) {
    const sending = chunk(locationOf(answer), blob, at, Math.min(blob.size, at + chunkSize))
    answer = await connection.exchange(sending)
    tally.check(sending, answer, 202)
  }
  const closing = {
    method: 'PUT',
    path: closingOf(locationOf(answer), blob),
    headers: { 'Content-Length': 0 }
  }
  tally.check(closing, await connection.exchange(closing), 201)
  tally.moved(blob.size)
}

function chunk(path: string, blob: Content, start: number, end: number): Exchange {
  return {
    method: 'PATCH',
    path,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': end - start,
      ...(end - start < blob.size && { 'Content-Range': `${start}-${end - 1}` })
    },
    body: bytesOf(blob, start, end)
  }
}

export function uploadsOf(repository: string): string {
  return `/v2/${repository}/blobs/uploads/`
}

/** Where the closing PUT goes. */
export function closingOf(location: string, { digest }: Content): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
}

/** Path and query; registries answer with a whole URL or without the host. @throws Error when there is none */
export function locationOf({ head }: Answer): string {
  const location = /\r\nlocation: *([^\r\n]*)/i.exec(head)?.[1]
  if (location === undefined) throw new Error(`an answer without Location: ${head}`)
  const { pathname, search } = new URL(location, 'http://host')
  return pathname + search
}
