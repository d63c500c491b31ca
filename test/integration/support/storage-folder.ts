import { createHash } from 'node:crypto'
import { createReadStream, type Dirent, existsSync } from 'node:fs'
import { readdir, readFile, stat, statfs } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** What lies in a storage folder of CNCF distribution's layout. Paths are relative to the folder. */
export interface Audit {
  blobs: number
  links: number
  /** Half-written objects, `NAME.UUID.tmp` and `UUID.tmp`, and half-removed ones, `link@removed@HASH@UUID`. A crash may
   *  leave some; nothing else may. */
  drafts: string[]
  /** Open uploads: distribution's by their folders, berth's by their ids. */
  uploads: string[]
  /** The files of berth's open uploads. */
  unfinished: string[]
  /** Files in places where the layout has none. */
  strays: string[]
  /** Blobs that do not hash to their name, links that are no digest or whose target is not there. */
  faults: string[]
}

const BLOB = /^blobs\/sha(256|512)\/([0-9a-f]{2})\/\2[0-9a-f]{62}([0-9a-f]{64})?\/data$/
const BLOB_NOTE = /^blobs\/sha(256|512)\/[0-9a-f]{2}\/[0-9a-f]{64,128}\/[^/]+$/
const DRAFT = /([./]|link@removed@[\w-]{43}@)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.tmp)?$/
const UPLOAD = /^_uploads\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\/)/
const OWN_UPLOAD = /^@uploads\/[0-9a-f]\/([0-9a-f]{32})@\d+@\d+@[^/]*$/
/** Whose turn it is to purge: berth's own, in the making for ever. */
const TURN = createHash('sha256').update('docker/registry/ext/v1/purge').digest('hex').slice(0, 32)
const PRIVATE = /^_ext\//
const LINK =
  /^(_layers|_manifests\/revisions|_manifests\/tags\/\w[\w.-]{0,127}\/index)\/(sha256|sha512)\/([0-9a-f]+)\/link$/
const CURRENT = /^_manifests\/tags\/\w[\w.-]{0,127}\/current\/link$/
const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
const NAME_PART = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/

/** Looks at every file below a storage folder.
 *  @param sound blobs found in order by former calls: they are hashed again only when they have changed */
export async function auditStorage(root: string, sound = new Set<string>()): Promise<Audit> {
  const audit: Audit = { blobs: 0, links: 0, drafts: [], uploads: [], unfinished: [], strays: [], faults: [] }
  const uploads = new Set<string>()
  for await (const file of filesBelow(root)) {
    const path = relative(root, file)
    if (DRAFT.test(path)) {
      audit.drafts.push(path)
      continue
    }
    const upload = OWN_UPLOAD.exec(path)?.[1]
    if (upload !== undefined) {
      if (upload === TURN) continue
      uploads.add(upload)
      audit.unfinished.push(path)
      continue
    }
    const inside = path.startsWith('docker/registry/v2/') ? path.slice('docker/registry/v2/'.length) : ''
    const split = /^repositories\/(.+?)\/(_.+)$/.exec(inside)
    if (BLOB.test(inside)) {
      audit.blobs += 1
      await judgeBlob(root, file, sound, audit)
    } else if (split?.[1]?.split('/').every((part) => NAME_PART.test(part))) {
      const rest = split[2] ?? ''
      const upload = UPLOAD.exec(rest)?.[0]
      if (upload !== undefined) uploads.add(`${split[1]}/${upload}`)
      else if (LINK.test(rest) || CURRENT.test(rest)) await judgeLink(root, file, split[1], rest, audit)
      else if (!PRIVATE.test(rest)) audit.strays.push(path)
    } else if (!BLOB_NOTE.test(inside) && !path.startsWith('docker/registry/ext/')) {
      audit.strays.push(path)
    }
  }
  audit.uploads = [...uploads]
  return audit
}

async function judgeBlob(root: string, file: string, sound: Set<string>, audit: Audit): Promise<void> {
  const { ino, size, mtimeMs } = await stat(file)
  const state = `${file} ${ino} ${size} ${mtimeMs}`
  if (sound.has(state)) return
  const [algorithm = '', , hex] = file.split('/').slice(-4)
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk)
  if (hash.digest('hex') === hex) sound.add(state)
  else audit.faults.push(`${relative(root, file)} does not hash to its name (${size} bytes)`)
}

async function judgeLink(
  root: string,
  file: string,
  name: string,
  rest: string,
  audit: Audit
): Promise<void> {
  audit.links += 1
  const path = relative(root, file)
  const digest = await readFile(file, 'utf8')
  const [, , algorithm, hex] = LINK.exec(rest) ?? []
  if (!DIGEST.test(digest)) {
    audit.faults.push(`${path} holds no digest: ${JSON.stringify(digest.slice(0, 200))}`)
    return
  }
  if (hex !== undefined && digest !== `${algorithm}:${hex}`) audit.faults.push(`${path} holds ${digest}`)
  if (!existsSync(blobFile(root, digest))) audit.faults.push(`${path}: there is no blob ${digest}`)
  const revision = join(root, `docker/registry/v2/repositories/${name}/_manifests/revisions`)
  if (rest.startsWith('_manifests/tags/') && !existsSync(join(revision, digest.replace(':', '/'), 'link'))) {
    audit.faults.push(`${path}: there is no revision ${digest}`)
  }
}

/** Where the bytes of a digest lie. */
export function blobFile(root: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(root, 'docker/registry/v2/blobs', algorithm, hex.slice(0, 2), hex, 'data')
}

/** Bytes in use on the file system that holds the folder. */
export async function usedSpace(folder: string): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(folder)
  return (blocks - bfree) * bsize
}

/** Bytes that root may still write there. */
export async function freeSpace(folder: string): Promise<number> {
  const { bfree, bsize } = await statfs(folder)
  return bfree * bsize
}

/** Files that vanish during the walk are passed over. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await entries(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else yield path
  }
}

async function entries(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
