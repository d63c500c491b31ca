/** A file or a folder: as programs see it, and as it would be after a power cut at this moment. */
export interface Inode {
  bytes: Buffer
  synced: Buffer
  entries: Map<string, Inode> | undefined
  kept: Map<string, Inode>
}

/** Something done to folders that a power cut may undo. It is there as a whole or not at all. */
export interface Change {
  edits: { folder: Inode; name: string; inode: Inode | undefined }[]
  /** Changes that must have happened for this one to have. */
  needs: Change[]
}

type Tear = (inode: Inode) => Buffer

/** What may have become of bytes that were written, but not synced. */
const TEARS: Tear[] = [
  ({ synced }) => synced,
  ({ bytes }) => bytes,
  ({ bytes, synced }) => bytes.subarray(0, (bytes.length + synced.length) >> 1),
  ({ bytes, synced }) => {
    const zeroed = Buffer.alloc(bytes.length)
    bytes.copy(zeroed, 0, 0, Math.min(synced.length, bytes.length))
    return zeroed
  }
]

export function newInode(folder: boolean): Inode {
  const empty = Buffer.alloc(0)
  return { bytes: empty, synced: empty, entries: folder ? new Map() : undefined, kept: new Map() }
}

/** Some changes, and those that they need. */
export function withNeeds(changes: Change[]): Set<Change> {
  const all = new Set(changes)
  for (const { needs } of all) for (const need of needs) all.add(need)
  return all
}

export function keep({ edits }: Change): void {
  for (const { folder, name, inode } of edits) {
    if (inode === undefined) folder.kept.delete(name)
    else folder.kept.set(name, inode)
  }
}

/** What may be found after a power cut, each once. `pending` are the changes that were not synced, in their order. */
export function rootsAfterPowerCut(root: Inode, pending: Change[]): Inode[] {
  const roots = new Map<string, Inode>()
  for (const lasting of lastingChanges(pending)) {
    const changes = pending.filter((one) => lasting.has(one))
    for (const tear of TEARS) {
      const left = rebuild(root, changes, tear)
      roots.set(describe(left), left)
    }
  }
  return [...roots.values()]
}

/** None; all up to one, one alone, and all but one, each with those they need. */
function* lastingChanges(pending: Change[]): Generator<Set<Change>> {
  yield new Set()
  for (const [i, one] of pending.entries()) {
    yield withNeeds(pending.slice(0, i + 1))
    yield withNeeds([one])
    yield new Set(pending.filter((other) => !withNeeds([other]).has(one)))
  }
}

/** A copy of what was kept, with some changes more. A file with two names stays one file. */
function rebuild(root: Inode, changes: Change[], tear: Tear): Inode {
  const copies = new Map<Inode, Inode>()
  function copyOf(inode: Inode): Inode {
    const known = copies.get(inode)
    if (known !== undefined) return known
    const bytes = tear(inode)
    const copy: Inode = { bytes, synced: bytes, entries: inode.entries && new Map(), kept: new Map() }
    copies.set(inode, copy)
    const kept = new Map(inode.kept)
    for (const { edits } of changes) {
      for (const { folder, name, inode: entry } of edits) {
        if (folder !== inode) continue
        if (entry === undefined) kept.delete(name)
        else kept.set(name, entry)
      }
    }
    for (const [name, entry] of kept) {
      copy.entries?.set(name, copyOf(entry))
      copy.kept.set(name, copyOf(entry))
    }
    return copy
  }
  return copyOf(root)
}

/** All that it holds, as text. */
export function describe(inode: Inode, path = ''): string {
  if (inode.entries === undefined) return `${path} ${inode.bytes.toString('base64')}\n`
  const names = [...inode.entries.keys()].sort()
  return `${path}/\n${names.map((name) => describe(inode.entries!.get(name)!, `${path}/${name}`)).join('')}`
}
