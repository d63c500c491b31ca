import { createHash } from 'node:crypto'
import { globSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf, type Content, writeContent } from './content.ts'
import { type Image, MANIFEST_TYPE } from './image.ts'
import { type Answer, type Connection, connect, type Exchange } from './load/connection.ts'
import { locationOf } from './load/small-images.ts'
import type { Site } from './measure.ts'

/** What has to be done beside what is measured: filling a registry, and looking at what it holds. */
export async function withConnection<T>(
  url: string,
  use: (connection: Connection) => Promise<T>
): Promise<T> {
  const connection = await connect(url)
  try {
    return await use(connection)
  } finally {
    connection.close()
  }
}

/** @throws Error unless the answer has the status */
export async function expect(connection: Connection, status: number, exchange: Exchange): Promise<Answer> {
  const answer = await connection.exchange(exchange)
  if (answer.status !== status) throw new Error(`${exchange.method} ${exchange.path}: ${answer.head}`)
  return answer
}

export async function pushImage(url: string, repository: string, image: Image, tag: string): Promise<void> {
  await withConnection(url, async (connection) => {
    for (const blob of [...image.layers, image.config]) await putBlob(connection, repository, blob)
    await expect(connection, 201, {
      method: 'PUT',
      path: `/v2/${repository}/manifests/${tag}`,
      headers: { 'Content-Type': MANIFEST_TYPE, 'Content-Length': image.manifest.length },
      body: [image.manifest]
    })
  })
}

/** Stores a blob, so that it is answered under the path that registries have for it. */
export async function placeBlob(
  { server, contender }: Site,
  repository: string,
  blob: Content
): Promise<void> {
  if (contender.kind === 'registry') {
    await withConnection(server.url, (connection) => putBlob(connection, repository, blob))
  } else {
    const folder = join(server.root, 'v2', repository, 'blobs')
    mkdirSync(folder, { recursive: true })
    writeContent(join(folder, blob.digest), blob)
  }
}

async function putBlob(connection: Connection, repository: string, blob: Content): Promise<void> {
  const location = await openUpload(connection, repository)
  await expect(connection, 201, {
    method: 'PUT',
    path: closing(location, blob),
    headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': blob.size },
    body: bytesOf(blob)
  })
}

/** Gives the path and query to send to. */
export async function openUpload(connection: Connection, repository: string): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/`
  return locationOf(await expect(connection, 202, { method: 'POST', path, headers: { 'Content-Length': 0 } }))
}

export async function closeUpload(connection: Connection, location: string, blob: Content): Promise<void> {
  const path = closing(location, blob)
  await expect(connection, 201, { method: 'PUT', path, headers: { 'Content-Length': 0 } })
}

function closing(location: string, { digest }: Content): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
}

/** Pulls a blob and hashes it. @throws Error when it is not what it should be */
export async function verifyBlob(url: string, repository: string, { digest, size }: Content): Promise<void> {
  const hash = createHash('sha256')
  const path = `/v2/${repository}/blobs/${digest}`
  const answer = await withConnection(url, (connection) =>
    expect(connection, 200, { method: 'GET', path, onBody: (piece) => hash.update(piece) })
  )
  const found = `sha256:${hash.digest('hex')}`
  if (answer.length !== size || found !== digest) {
    throw new Error(`${path}: ${answer.length} bytes with digest ${found}, not ${size}`)
  }
}

/**
 * Removes the large files that a server has stored, whatever its layout, so that the next push finds the same disk
 * and the same page cache: memory that was in use a moment ago is far cheaper than memory that a virtual machine
 * first has to get from its host. Deleting through the API would leave the bytes.
 */
export function removeLargeFiles({ server }: Site): void {
  for (const path of globSync(`${server.root}/**/*`)) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat?.isFile() && stat.size >= 2 ** 20) rmSync(path, { force: true })
  }
}
