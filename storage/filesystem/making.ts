import { hash } from 'node:crypto'

/**
 * An object in the making is one file, and the file's name says all about it: `<hash of its key>@<turn>@<size>@<mark>`
 * at rest, with `@<owner>` behind it while somebody appends to it or commits it. So each step is one rename, which
 * happens or does not, and of two that try one gets ENOENT. No lock is needed, and the dead leave none behind.
 *
 * All lie in a few folders that stay: to make and remove one for each would cost more than to write a small object.
 */
export interface Making {
  /** Counts those who worked on it. The highest is the one that counts: see `takeOver`. */
  turn: number
  /** So many of the file's bytes are durable. Those behind them never happened. */
  size: number
  mark: string
  /** Who works on it. They may be dead, or at it still. */
  owner?: string | undefined
}

const PARTS = /^(\d+)@(\d+)@([^@]*)(?:@([^@]+))?$/

/** What the names of a key's files begin with. Half of a hash leaves room for the rest of 255 bytes. */
export const makingId = (key: string): string => hash('sha256', key).slice(0, 32)

/** Of a file. */
export const makingIdOf = (file: string): string => file.split('@', 1)[0] ?? file

/** One of 16 folders, so that little has to be listed to find a file. */
export const makingFolder = (id: string): string => id.slice(0, 1)

export function makingName(id: string, { turn, size, mark, owner }: Making): string {
  const rest = `${id}@${turn}@${size}@${mark}`
  return owner === undefined ? rest : `${rest}@${owner}`
}

/** Undefined for a file of another id. */
export function parseMakingName(id: string, file: string): Making | undefined {
  const parts = file.startsWith(`${id}@`) ? PARTS.exec(file.slice(id.length + 1)) : null
  if (parts === null) return undefined
  const [, turn, size, mark = '', owner] = parts
  return { turn: Number(turn), size: Number(size), mark, owner }
}
