import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, writeSync, writevSync } from 'node:fs'
import { seeded } from '../test/integration/support/random.ts'

/** Bytes that a size and an id decide: the same in every process, so that none has to be told them. */
export interface Content {
  size: number
  id: string
  /** `sha256:…` of all its bytes. */
  digest: string
  /** Where they are others than size and id decide. */
  bytes?: Buffer
}

const TAIL = 16
const BLOCK = seeded('bench').bytes(2 ** 20)

/** Running hashes by length of what comes before the tail: contents of one size differ in the tail only. */
const hashes = new Map<number, Hash>()

export function content(size: number, id: string): Content {
  const tail = tailOf(size, id)
  let hash = hashes.get(size)
  if (hash === undefined) {
    hash = createHash('sha256')
    for (const piece of pieces(size - tail.length)) hash.update(piece)
    hashes.set(size, hash)
  }
  return { size, id, digest: `sha256:${hash.copy().update(tail).digest('hex')}` }
}

export function contentOf(bytes: Buffer): Content {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  return { size: bytes.length, id: digest, digest, bytes }
}

/** Its bytes from `start` up to `end`, in pieces of at most 1 MiB that must not be written to. */
export function* bytesOf({ size, id, bytes }: Content, start = 0, end = size): Generator<Buffer> {
  if (bytes !== undefined) return yield bytes.subarray(start, end)
  const tail = tailOf(size, id)
  const body = size - tail.length
  yield* pieces(Math.min(end, body), start)
  if (end > body) yield tail.subarray(Math.max(0, start - body), end - body)
}

/** Writes it to a file; over another content of the same size, only what differs. */
export function writeContent(path: string, content: Content, over?: Content): void {
  const file = openSync(path, over === undefined ? 'w' : 'r+')
  try {
    if (over === undefined) for (const piece of bytesOf(content)) writevSync(file, [piece])
    else writeSync(file, tailOf(content.size, content.id), 0, TAIL, content.size - TAIL)
  } finally {
    closeSync(file)
  }
}

function tailOf(size: number, id: string): Buffer {
  return createHash('sha256').update(id).digest().subarray(0, Math.min(size, TAIL))
}

function* pieces(end: number, start = 0): Generator<Buffer> {
  for (let at = start; at < end; ) {
    const from = at % BLOCK.length
    const piece = BLOCK.subarray(from, Math.min(BLOCK.length, from + end - at))
    yield piece
    at += piece.length
  }
}
