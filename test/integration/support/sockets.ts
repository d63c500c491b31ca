import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A TCP socket of this machine over IPv4. */
interface Socket {
  inode: string
  localPort: number
  remotePort: number
  listens: boolean
}

const LISTEN = '0A'

function tcpSockets(): Socket[] {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  return lines.map((line) => {
    const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/)
    return { inode, localPort: portOf(local), remotePort: portOf(remote), listens: state === LISTEN }
  })
}

const portOf = (address: string): number => Number.parseInt(address.split(':')[1] ?? '', 16)

function socketsOf(pid: number): Socket[] {
  const held = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]
      } catch {
        return undefined // closed since
      }
    })
  )
  return tcpSockets().filter(({ inode }) => held.has(inode))
}

/** The clients' ports of the connections that a process holds. It should be stopped meanwhile. */
export function clientPortsOf(pid: number): number[] {
  return socketsOf(pid)
    .filter(({ listens }) => !listens)
    .map(({ remotePort }) => remotePort)
}

/** Whether the process can accept connections on this port. */
export function isListening(pid: number, port: number): boolean {
  return socketsOf(pid).some(({ listens, localPort }) => listens && localPort === port)
}
