import { constants, fstatSync, openSync, writeSync } from 'node:fs'

/** So much is written at a time: to a pipe it goes whole or not at all, and what other processes write to the same
 *  pipe comes before or after it, never within (PIPE_BUF). */
const WRITE_BYTES = 4096

/** A line waits for others for so long, or until there are some writes' worth. */
const BATCH_MS = 5
const BATCH_BYTES = 4 * WRITE_BYTES

/** So much may wait for a slow reader when a line comes: beyond it the line is lost. */
const MOST_BYTES = { access: 1024 ** 2, event: 8 * 1024 ** 2, audit: Number.POSITIVE_INFINITY }

/** What is to be audited waits beyond this, so that lines which are never lost need no more than that. */
const READY_BYTES = 2 * 1024 ** 2

/** What has waited goes on by so many at a time: what each of them writes counts for the next. */
const READY_AT_ONCE = 64

/** At its end a process waits so long for a reader that takes nothing, and so long for one that is slow. */
const FLUSH_MS = 1000
const LONGEST_FLUSH_MS = 3000
const PAUSE_MS = 10

export interface LineWriter {
  /** Writes a line, soon. While the reader is slow, those of `access` are lost first, and those of `audit` never.
   *  @param line ends with its newline; of at most 4096 bytes, or it may be torn by what other processes write */
  write(line: string, kind: keyof typeof MOST_BYTES): void
  /** Runs `go` when the reader is not too far behind for what is to be audited: at once, as a rule.
   *  Otherwise it gives what takes it back, as for one that leaves meanwhile. */
  whenReady(go: () => void): (() => void) | undefined
  /** Writes all that waits, now. */
  flush(): void
}

/**
 * Gathers lines and writes many at once, on the spot: that costs less than to hand them to another thread. It never
 * waits for their reader, since one that stalls would stall the server.
 * @param fd should not block: see openStandardOutput
 * @param onLoss is told how many lines the reader will never see, once it has caught up
 */
export function createLineWriter(fd: number, onLoss: (lines: number) => void): LineWriter {
  /** Each for one write. */
  const queue: Buffer[] = []
  let queuedBytes = 0
  let batch = ''
  let batchBytes = 0
  let lost = 0
  let isStalled = false
  let isDue = false
  let isGoingOn = false
  const waiting = new Set<() => void>()
  const timer = setTimeout(drain, BATCH_MS).unref()

  function drainSoon(): void {
    if (isDue) return
    isDue = true
    timer.refresh()
  }

  function endBatch(): void {
    if (batchBytes === 0) return
    queue.push(Buffer.from(batch))
    queuedBytes += batchBytes
    batch = ''
    batchBytes = 0
  }

  function drain(): void {
    isDue = false
    endBatch()
    do isStalled = !writeFirst()
    while (queue.length > 0 && !isStalled)
    if (waiting.size > 0) goOn()
    if (isStalled) {
      drainSoon()
    } else if (lost > 0) {
      const lines = lost
      lost = 0
      onLoss(lines)
    }
  }

  const isReady = (): boolean => queuedBytes + batchBytes <= READY_BYTES

  /** What goes on may write, and so come here again. */
  function goOn(): void {
    if (isGoingOn) return
    isGoingOn = true
    for (const go of [...waiting.values().take(READY_AT_ONCE)]) {
      // One that has gone on may have taken another back.
      if (!isReady() || !waiting.delete(go)) continue
      go()
    }
    isGoingOn = false
    if (waiting.size > 0) drainSoon()
  }

  /** False when the reader has to catch up first. */
  function writeFirst(): boolean {
    const first = queue[0]
    if (first === undefined) return true
    let written = first.length
    try {
      written = writeSync(fd, first)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false
      // Nobody will ever read it, or the disk is full: there is no place to say so.
    }
    queuedBytes -= written
    if (written < first.length) queue[0] = first.subarray(written)
    else queue.shift()
    return true
  }

  return {
    whenReady(go) {
      if (waiting.size === 0 && isReady()) {
        go()
        return undefined
      }
      waiting.add(go)
      drainSoon()
      return () => waiting.delete(go)
    },

    write(line, kind) {
      if (queuedBytes > MOST_BYTES[kind]) {
        lost++
        return
      }
      const bytes = Buffer.byteLength(line)
      if (batchBytes + bytes > WRITE_BYTES) endBatch()
      batch += line
      batchBytes += bytes
      if (queuedBytes > BATCH_BYTES && !isStalled) drain()
      else drainSoon()
    },

    flush() {
      let before = Infinity
      const end = performance.now() + LONGEST_FLUSH_MS
      for (let waits = FLUSH_MS / PAUSE_MS; waits > 0 && performance.now() < end; waits--) {
        drain()
        if (queuedBytes + batchBytes === 0) return
        if (queuedBytes < before) waits = FLUSH_MS / PAUSE_MS
        before = queuedBytes
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
      }
    }
  }
}

/**
 * Standard output, in a way that never waits for who reads it. That is a property of its being open, which other
 * processes share; so a pipe or a terminal is opened once more. A file never waits. Where it cannot be opened again,
 * as with a socket, each write waits for its reader.
 */
export function openStandardOutput(): number {
  const STDOUT = 1
  try {
    if (fstatSync(STDOUT).isFile()) return STDOUT
    return openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return STDOUT
  }
}
