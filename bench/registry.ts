import { createHash } from 'node:crypto'
import { globSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Login } from '../test/integration/support/logins.ts'
import { bytesOf, type Content, writeContent } from './content.ts'
import { type Image, MANIFEST_TYPE } from './image.ts'
import { type Answer, type Connection, connect, type Exchange } from './load/connection.ts'
import { closingOf, locationOf, uploadsOf } from './load/pushes.ts'
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

/** @param headers more of them for each request, such as those of a login */
export async function pushImage(
  url: string,
  repository: string,
  image: Image,
  tag: string,
  headers: Record<string, string> = {}
): Promise<void> {
  await withConnection(url, async (plain) => {
    const connection: Connection = {
      ...plain,
      exchange: (each) => plain.exchange({ ...each, headers: { ...headers, ...each.headers } })
    }
    for (const blob of [...image.layers, image.config]) await putBlob(connection, repository, blob)
    await putManifest(connection, repository, image, tag)
  })
}

export async function putManifest(
  connection: Connection,
  repository: string,
  { manifest }: Image,
  tag: string
): Promise<void> {
  await expect(connection, 201, {
    method: 'PUT',
    path: `/v2/${repository}/manifests/${tag}`,
    headers: { 'Content-Type': MANIFEST_TYPE, 'Content-Length': manifest.length },
    body: [manifest]
  })
}

/** Stores a blob, so that it is answered under the path that registries have for it. */
export async function placeBlob(
  { server, contender }: Site,
  repository: string,
  blob: Content
): Promise<void> {
  if (contender.layout !== 'files') {
    await withConnection(server.url, (connection) => putBlob(connection, repository, blob))
  } else {
    const folder = join(server.root, 'v2', repository, 'blobs')
    mkdirSync(folder, { recursive: true })
    writeContent(join(folder, blob.digest), blob)
  }
}

/** POST, then PUT with all of it. */
export async function putBlob(connection: Connection, repository: string, blob: Content): Promise<void> {
  await putAll(connection, await openUpload(connection, repository), blob)
}

export async function putAll(connection: Connection, location: string, blob: Content): Promise<void> {
  await expect(connection, 201, {
    method: 'PUT',
    path: closingOf(location, blob),
    headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': blob.size },
    body: bytesOf(blob)
  })
}

/** Gives the path and query to send to. */
export async function openUpload(connection: Connection, repository: string): Promise<string> {
  const exchange = { method: 'POST', path: uploadsOf(repository), headers: { 'Content-Length': 0 } }
  return locationOf(await expect(connection, 202, exchange))
}

export async function closeUpload(connection: Connection, location: string, blob: Content): Promise<void> {
  const path = closingOf(location, blob)
  await expect(connection, 201, { method: 'PUT', path, headers: { 'Content-Length': 0 } })
}

export function basicOf({ username, password }: Login): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

export async function getBytes(url: string, path: string, headers: Record<string, string>): Promise<Buffer> {
  const pieces: Buffer[] = []
  const onBody = (piece: Buffer): void => void pieces.push(Buffer.from(piece))
  await withConnection(url, (connection) => expect(connection, 200, { method: 'GET', path, headers, onBody }))
  return Buffer.concat(pieces)
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

/** Pulls an image and compares all its bytes. @throws Error when it is not what it should be */
export async function verifyImage(url: string, repository: string, image: Image, tag: string): Promise<void> {
  const path = `/v2/${repository}/manifests/${tag}`
  const manifest = await getBytes(url, path, { Accept: MANIFEST_TYPE })
  if (!manifest.equals(image.manifest)) throw new Error(`${path} is not the manifest that was pushed`)
  for (const blob of [...image.layers, image.config]) await verifyBlob(url, repository, blob)
}

/**
 * Removes what a server has stored of `size` bytes, whatever its layout, so that the next push finds the same disk
 * and the same page cache: memory that was in use a moment ago is far cheaper than memory that a virtual machine
 * first has to get from its host. Deleting through the API would leave the bytes.
 */
export function removeBlobs({ server }: Site, size: number, keep?: Content): void {
  const kept = keep?.digest.slice('sha256:'.length)
  for (const path of globSync(`${server.root}/**/*`)) {
    if (kept !== undefined && path.includes(kept)) continue
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat?.isFile() && stat.size === size) rmSync(path, { force: true })
  }
}
