import { randomUUID } from 'node:crypto'
import type { Piece } from '../objects/store.ts'
import { inParallel } from '../parallel.ts'

/** That many objects can be composed into one. */
const MAX_SOURCES = 32
/** Of intermediate objects. */
const AT_ONCE = 8

export interface Composing {
  /** Joins up to 32 objects. */
  compose(target: string, pieces: readonly Piece[]): Promise<void>
  deleteAll(keys: readonly string[]): Promise<void>
}

/**
 * Joins any number of pieces: groups of 32 become intermediate objects under private keys, and these the target. The
 * intermediates are removed in any case; what cannot be is left to the lifecycle rule.
 */
export async function assemble(
  { compose, deleteAll }: Composing,
  target: string,
  pieces: readonly Piece[]
): Promise<void> {
  const folder = `@drafts/${randomUUID()}`
  const drafts: string[] = []
  try {
    let sources = pieces
    while (sources.length > MAX_SOURCES) {
      const groups: (readonly Piece[])[] = []
      for (let i = 0; i < sources.length; i += MAX_SOURCES) groups.push(sources.slice(i, i + MAX_SOURCES))
      sources = await inParallel(groups, AT_ONCE, async (group) => {
        if (group.length === 1) return group[0] as Piece
        const key = `${folder}/${drafts.length}`
        drafts.push(key)
        await compose(key, group)
        return { key, size: group.reduce((sum, { size }) => sum + size, 0) }
      })
    }
    await compose(target, sources)
  } finally {
    if (drafts.length > 0) await deleteAll(drafts).catch(() => undefined)
  }
}
