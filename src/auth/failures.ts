import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'
import { createLine, type Line } from '../kubernetes/line.ts'

/**
 * Who tries credentials that are no good, so that nobody can try many. Different ones are counted for each address,
 * since a machine whose one token has expired goes on with it for days, and its neighbours behind the same address
 * must not suffer for it; and tries of the same one are counted wherever they come from.
 *
 * A credential is named by a hash that tells nothing of it.
 */
export interface Failures {
  /** Whole seconds to wait, at least 1; undefined when it may be tried. */
  limited(address: string, credential: string): number | undefined
  failed(address: string, credential: string): void
  /** Its tries no more count against itself, though it still counts as one that its addresses have shown. */
  forgive(credential: string): void
  /** From now on it is never limited, and its failures are not counted. */
  succeeded(credential: string): void
  /** Runs what tries a credential, of those of one address that may be no good a few at a time: else many could be
   *  tried before the first has failed. @throws LineError when too many wait, or for too long */
  inTurn<T>(address: string, credential: string, attempt: () => Promise<T>): Promise<T>
}

interface FailuresOptions {
  /** So many failures are allowed within a window: different credentials of an address, or tries of a credential.
   *  From 1 to 1000. */
  max: number
  /** Begins with the first failure. */
  windowMs?: number
  /** In milliseconds, from any start. */
  now?: () => number
}

interface Window {
  endsAt: number
  /** What is counted: credentials of an address, or tries of a credential. */
  counted: Set<string>
}

/** In all windows of a kind; who was quiet for longest is forgotten first. */
const MOST_COUNTED = 100_000
const MOST_GOOD = 10_000

/** Of one address. */
const AT_ONCE = 10
const MOST_WAITING = 2000
const WAIT_MS = 10_000
const MOST_LINES = 10_000

export function createFailures(options: FailuresOptions): Failures {
  const { max, windowMs = 60_000, now = () => performance.now() } = options
  const ofAddresses = createWindows()
  const ofCredentials = createWindows()
  const good = new LRUCache<string, true>({ max: MOST_GOOD })
  const lines = new LRUCache<string, Line>({ max: MOST_LINES })

  function createWindows(): LRUCache<string, Window> {
    return new LRUCache({ maxSize: MOST_COUNTED, sizeCalculation: ({ counted }) => counted.size })
  }

  function count(windows: LRUCache<string, Window>, key: string, what: (before: number) => string): void {
    const known = windows.get(key)
    const { endsAt, counted } =
      known !== undefined && known.endsAt > now()
        ? known
        : { endsAt: now() + windowMs, counted: new Set<string>() }
    if (counted.size < max) counted.add(what(counted.size))
    // As a new entry, so that the cache looks at its size again.
    windows.set(key, { endsAt, counted })
  }

  function msLeft(windows: LRUCache<string, Window>, key: string): number {
    const window = windows.get(key)
    return window === undefined || window.counted.size < max ? 0 : window.endsAt - now()
  }

  return {
    limited(address, credential) {
      if (good.get(credential)) return undefined
      const ms = Math.max(msLeft(ofAddresses, networkOf(address)), msLeft(ofCredentials, credential))
      return ms > 0 ? Math.ceil(ms / 1000) : undefined
    },

    failed(address, credential) {
      // It has expired, or an API server that has just started does not know it yet: nobody is guessing.
      if (good.has(credential)) return
      count(ofAddresses, networkOf(address), () => credential)
      count(ofCredentials, credential, String)
    },

    forgive: (credential) => void ofCredentials.delete(credential),

    succeeded(credential) {
      good.set(credential, true)
      ofCredentials.delete(credential)
    },

    async inTurn(address, credential, attempt) {
      if (good.has(credential)) return attempt()
      const network = networkOf(address)
      const line = lines.get(network) ?? createLine(AT_ONCE, MOST_WAITING)
      lines.set(network, line)
      return line.run(attempt, WAIT_MS)
    }
  }
}

/** What one client may have many addresses of: the /64 of an IPv6 address; an IPv4 address is its own, also where it
 *  is written as an IPv6 one (RFC 4291, 2.5.5.2). What is no address is itself. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [withoutZone = ''] = address.split('%')
  const { hostname } = new URL(`http://[${withoutZone}]`) // shortest form, all of it in hexadecimal
  const [head = [], tail = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''))
  const groups = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail]
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return `${groups.slice(0, 4).join(':')}::/64`
  const bytes = groups.slice(6).map((group) => Number.parseInt(group, 16))
  return bytes.flatMap((pair) => [pair >> 8, pair & 255]).join('.')
}
