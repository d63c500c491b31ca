/** One PUT of a tag, or its deletion, on a clock that ticks with every event. */
interface TagWrite {
  /** Undefined for a deletion. */
  digest: string | undefined
  started: number
  /** When its answer came, or when the server was killed; undefined while it is under way. */
  ended: number | undefined
  acknowledged: boolean
}

export interface AcknowledgedBlob {
  name: string
  digest: string
  size: number
}

export interface AcknowledgedManifest {
  name: string
  digest: string
  bytes: Buffer
}

export interface TagHistory {
  name: string
  tag: string
  writes: TagWrite[]
}

/** What a registry has acknowledged, and so must still have after whatever happens to it. */
export interface Ledger {
  blobs: AcknowledgedBlob[]
  manifests: AcknowledgedManifest[]
  tags: Map<string, TagHistory>
  /** What must be gone for ever, by path: `NAME/manifests/DIGEST` and `NAME/blobs/DIGEST`. */
  deleted: string[]
  blob(name: string, digest: string, size: number): void
  manifest(name: string, digest: string, bytes: Buffer): void
  /** A tag's PUT goes out, or its deletion, without a digest; call what it gives once it has been answered, with whether
   *  it was done. */
  tagging(name: string, tag: string, digest: string | undefined): (acknowledged: boolean) => void
  /** The server is dead: what was under way has happened by now, or never will. */
  cut(): void
  /** Digests the tag may point at, and undefined for no such tag: those of writes that no later acknowledged one has
   *  replaced, and undefined while none was acknowledged. */
  allowed(history: TagHistory): (string | undefined)[]
  /** The tag was seen to point there: whatever else was possible is so no longer. */
  seen(history: TagHistory, digest: string): void
}

export function createLedger(): Ledger {
  let clock = 0
  const known = new Set<string>()
  const tags = new Map<string, TagHistory>()
  const ledger: Ledger = {
    blobs: [],
    manifests: [],
    tags,
    deleted: [],
    blob(name, digest, size) {
      if (isNew(`blob ${name} ${digest}`)) ledger.blobs.push({ name, digest, size })
    },
    manifest(name, digest, bytes) {
      if (isNew(`manifest ${name} ${digest}`)) ledger.manifests.push({ name, digest, bytes })
    },
    tagging(name, tag, digest) {
      const key = `${name}:${tag}`
      const history = tags.get(key) ?? { name, tag, writes: [] }
      tags.set(key, history)
      const write: TagWrite = { digest, started: clock++, ended: undefined, acknowledged: false }
      history.writes.push(write)
      return (acknowledged) => {
        write.ended = clock++
        write.acknowledged = acknowledged
      }
    },
    cut() {
      for (const { writes } of tags.values()) for (const write of writes) write.ended ??= clock
      clock += 1
    },
    allowed({ writes }) {
      const lastStart = Math.max(-1, ...writes.filter((write) => write.acknowledged).map((w) => w.started))
      const possible = writes.filter((write) => (write.ended ?? clock) >= lastStart).map((w) => w.digest)
      return lastStart < 0 ? [undefined, ...possible] : possible
    },
    seen(history, digest) {
      history.writes = [{ digest, started: clock, ended: clock + 1, acknowledged: true }]
      clock += 2
    }
  }

  function isNew(key: string): boolean {
    if (known.has(key)) return false
    known.add(key)
    return true
  }
  return ledger
}
