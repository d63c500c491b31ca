import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A process and all that descend from it. */
export function processTree(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    // The command's name is in parentheses and may hold spaces: the parent's id is the second word after it.
    const parent = read(`/proc/${entry}/stat`).split(') ').at(-1)?.split(' ')[1]
    if (parent !== undefined) parents.set(Number(entry), Number(parent))
  }
  const tree = [pid]
  for (const member of tree) {
    for (const [child, parent] of parents) if (parent === member) tree.push(child)
  }
  return tree
}

/** PF_FORKNOEXEC of Linux' include/linux/sched.h. */
const FORKED_ONLY = 0x40

/** Whether the process is still a copy of its parent: forked, and not yet the program that it is to become. */
export function isForkedOnly(pid: number): boolean {
  const flags = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[6]
  return (Number(flags) & FORKED_ONLY) !== 0
}

export interface Memory {
  /** Anonymous and shared memory that is resident, in bytes: what the processes themselves asked for. */
  anonymous: number
  /** Proportional set size in bytes: shared pages divided among those who share them. */
  proportional: number
}

/** Summed over the process and all that descend from it. */
export function memoryOf(pid: number): Memory {
  const sum = { anonymous: 0, proportional: 0 }
  for (const member of processTree(pid)) {
    const status = read(`/proc/${member}/status`)
    sum.anonymous += kilobytes(status, 'RssAnon') + kilobytes(status, 'RssShmem')
    sum.proportional += proportionalOf(member)
  }
  return sum
}

/** Proportional set size in bytes of one process alone. */
export function proportionalOf(pid: number): number {
  return kilobytes(read(`/proc/${pid}/smaps_rollup`), 'Pss')
}

/** What the process and its descendants hold open, by handle: `PID/FD → target`. */
export function openHandles(pid: number): string[] {
  return processTree(pid).flatMap(handlesOf)
}

/** What one process alone holds open: `PID/FD → target`. */
export function handlesOf(pid: number): string[] {
  return listed(`/proc/${pid}/fd`).map((fd) => `${pid}/${fd} → ${target(`/proc/${pid}/fd/${fd}`)}`)
}

/** Stopped by a signal, all of its threads. */
export function isStopped(pid: number): boolean {
  return read(`/proc/${pid}/stat`).split(') ').at(-1)?.startsWith('T') ?? false
}

/** Bytes that the process and its descendants have read so far, from files and sockets alike. */
export function bytesRead(pid: number): number {
  const counts = processTree(pid).map((member) => /rchar: (\d+)/.exec(read(`/proc/${member}/io`))?.[1])
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0)
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
}

/** A process may end between being listed and being looked at: it then counts as nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function listed(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function target(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '?'
  }
}
