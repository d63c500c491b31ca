import { readFileSync } from 'node:fs'
import { isForkedOnly, openHandles } from './vitals.ts'

/** A TCP socket of this machine. */
interface Socket {
  inode: string
  localPort: number
  remotePort: number
  listens: boolean
}

const LISTEN = '0A'

function tcpSockets(): Socket[] {
  const lines = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8').trim().split('\n').slice(1)
  )
  return lines.map((line) => {
    const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/)
    return { inode, localPort: portOf(local), remotePort: portOf(remote), listens: state === LISTEN }
  })
}

const portOf = (address: string): number => Number.parseInt(address.split(':')[1] ?? '', 16)

function socketsOf(pid: number): Socket[] {
  const inodes = openHandles(pid).map((handle) => /socket:\[(\d+)\]$/.exec(handle)?.[1])
  const held = new Set(inodes)
  return tcpSockets().filter(({ inode }) => held.has(inode))
}

/** The clients' ports of the connections that a process holds. It should be stopped meanwhile. */
export function clientPortsOf(pid: number): number[] {
  return socketsOf(pid)
    .filter(({ listens }) => !listens)
    .map(({ remotePort }) => remotePort)
}

/** Whether the process can accept connections on this port. What it has only until it becomes its program does not count:
 *  a worker that is just being started still holds all that its primary holds. */
export function isListening(pid: number, port: number): boolean {
  if (isForkedOnly(pid)) return false
  return socketsOf(pid).some(({ listens, localPort }) => listens && localPort === port)
}
