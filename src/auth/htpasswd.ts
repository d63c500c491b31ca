import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import bcrypt from 'bcrypt'
import { LRUCache } from 'lru-cache'
import { createLine, LineError } from '../kubernetes/line.ts'
import { quote } from '../oci/error.ts'
import type { Inherit, Siblings } from '../registry/siblings.ts'

/** The users of a file as Apache's `htpasswd -B` makes it. */
export interface Htpasswd {
  /**
   * Whether the password is this user's, as the file says (a change of it counts within a second). Costs one bcrypt on
   * another thread for any user, known or not, and none for a password that was good before.
   * 'busy' when too many wait already, or it was not its turn within 10 s: nobody has looked at it.
   */
  check(user: string, password: string): Promise<boolean | 'busy'>
  /** Whether the file names this user, as of a second ago. */
  knows(user: string): Promise<boolean>
}

/** The file cannot be used: its message says what to do. */
export class HtpasswdError extends Error {
  override readonly name = 'HtpasswdError'
}

interface HtpasswdOptions {
  path: string
  logger: { warn(text: string): void }
  /** Other processes that go by the same file. */
  siblings?: Siblings
  inherit?: Inherit
  /** In milliseconds, from any start. */
  now?: () => number
  compare?: (password: string, hash: string) => Promise<boolean>
}

interface Versioned {
  /** The file's content. */
  text: string
  /** Of which file this is the content, and of which version of it. */
  version: string
}

interface Users extends Versioned {
  hashes: Map<string, string>
  /** Of each of them. */
  costs: number[]
}

/** By which processes ask each other for the file. */
const TOPIC = 'htpasswd'

const LOOK_MS = 1000
const FILE_LIMIT = 1024 * 1024

/** How many bcrypts are calculated at once: the threads are needed for the storage. */
const AT_ONCE = 2
const MOST_WAITING = 100
const WAIT_MS = 10_000

const MOST_REMEMBERED = 10_000

/** bcrypt looks at no more of a password. */
const PASSWORD_BYTES = 72

/** What htpasswd allows, and how much it takes unless told otherwise. Each step doubles the time. */
const COSTS = { least: 4, most: 17, usual: 5 }

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

const OTHER_HASHES: [RegExp, string][] = [
  [/^\$apr1\$/, 'MD5 (apr1)'],
  [/^\$1\$/, 'MD5'],
  [/^\{SHA\}/, 'SHA-1'],
  [/^\$5\$/, 'SHA-256'],
  [/^\$6\$/, 'SHA-512'],
  [/^\$argon2/, 'Argon2'],
  [/^\$2/, 'damaged or of an unknown kind of bcrypt']
]

/** At most so many problems of a file are told. */
const MOST_TOLD = 10

/** @throws HtpasswdError when the file cannot be read, and no sibling has read it. Later its former content stays, and a warning is logged */
export async function openHtpasswd(options: HtpasswdOptions): Promise<Htpasswd> {
  const {
    path,
    logger,
    siblings,
    inherit = (_topic, read) => read(),
    now = () => performance.now(),
    compare = bcrypt.compare
  } = options
  const key = createSecretKey(randomBytes(32)) // of a Buffer each HMAC would make one
  const good = new LRUCache<string, true>({ max: MOST_REMEMBERED })
  const running = new Map<string, Promise<boolean | 'busy'>>()
  const line = createLine(AT_ONCE, MOST_WAITING)

  let users = usersOf(
    await inherit(
      TOPIC,
      () => readVersioned(path),
      // Whatever the file is when it can be read again, it is another version.
      (text) => ({ text, version: '' })
    )
  )
  siblings?.onQuestion(TOPIC, () => users.text)
  let lookedAt = now()
  let look: Promise<void> | undefined
  let complaint = ''

  function usersOf({ text, version }: Versioned): Users {
    const { hashes, problems } = parseUsers(text)
    if (problems.length > 0) {
      const others = problems.length - MOST_TOLD
      const told = [...problems.slice(0, MOST_TOLD), ...(others > 0 ? [`${others} more`] : [])]
      logger.warn(`${path}: ${told.join('; ')}`)
    }
    if (hashes.size === 0) logger.warn(`${path} names nobody who can log in: ${REMEDY(path)}`)
    return { hashes, costs: [...hashes.values()].map(costOf), text, version }
  }

  async function lookAgain(): Promise<void> {
    try {
      if ((await versionOf(path)) !== users.version) users = usersOf(await readVersioned(path))
      complaint = ''
    } catch (error) {
      const { message } = error as Error
      if (message !== complaint) logger.warn(`what it held before still counts: ${message}`)
      complaint = message
    }
    lookedAt = now()
    look = undefined
  }

  async function freshUsers(): Promise<Users> {
    if (now() - lookedAt >= LOOK_MS) look ??= lookAgain()
    await look
    return users
  }

  const hmac = (text: string): Buffer => createHmac('sha256', key).update(text).digest()

  /** As hard to calculate as that of a user, and nobody's. Always the same for one name, as a user's own would be. */
  function hashOfNobody(user: string): string {
    const cost = users.costs[hmac(user).readUInt32BE() % users.costs.length] ?? COSTS.usual
    return `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`
  }

  /** @param hash undefined for a user whom the file does not name: no password is theirs */
  async function attempt(user: string, password: string, hash: string | undefined) {
    try {
      const matches = await line.run(() => compare(password, hash ?? hashOfNobody(user)), WAIT_MS)
      return matches && hash !== undefined
    } catch (error) {
      if (error instanceof LineError) return 'busy'
      throw error
    }
  }

  return {
    async check(user, password) {
      const { hashes } = await freshUsers()
      if (Buffer.byteLength(password) > PASSWORD_BYTES) return false
      const hash = hashes.get(user)
      const id = hmac(JSON.stringify([user, password, hash])).toString('base64')
      if (good.get(id)) return true
      // A client begins several requests at once, all with the same password.
      const underway = running.get(id)
      if (underway !== undefined) return underway
      const result = attempt(user, password, hash)
      running.set(id, result)
      try {
        if ((await result) === true) good.set(id, true)
        return await result
      } finally {
        running.delete(id)
      }
    },

    knows: async (user) => (await freshUsers()).hashes.has(user)
  }
}

const REMEDY = (path: string): string => `htpasswd -nbB USER PASSWORD >> ${path}`

const costOf = (hash: string): number => Number(BCRYPT.exec(hash)?.[1])

/** Changes whenever the file is written, replaced, or another one stands behind a symbolic link. */
async function versionOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join()
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** The version is from before the content: what changes in between is read at the next look. */
async function readVersioned(path: string): Promise<Versioned> {
  const version = await versionOf(path)
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    if (size > FILE_LIMIT) throw new Error(`it has ${size} bytes, and ${FILE_LIMIT} is the most`)
    return { text: await file.readFile('utf8'), version }
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): HtpasswdError {
  const { message } = error as Error
  return new HtpasswdError(
    `the htpasswd file ${path} cannot be read: ${message}; make one with ${REMEDY(path)}`,
    { cause: error }
  )
}

/** `user:hash` lines; empty ones and `#` comments are nothing. Of two lines with one name the last counts. */
function parseUsers(text: string): { hashes: Map<string, string>; problems: string[] } {
  const hashes = new Map<string, string>()
  const problems: string[] = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const content = raw.trim() // of a byte order mark and carriage returns as well
    if (content === '' || content.startsWith('#')) continue
    const colon = content.indexOf(':')
    const [user, hash] = [content.slice(0, colon), content.slice(colon + 1)]
    // What a line that is no user holds may be a password: it is not told.
    const problem = colon < 1 ? 'is not USER:HASH' : whatIsWrong(user, hash)
    if (problem !== undefined) {
      problems.push(`line ${index + 1} ${problem}`)
      hashes.delete(user)
      continue
    }
    if (hashes.has(user)) problems.push(`line ${index + 1} counts, and not an earlier one for ${quote(user)}`)
    // The same as $2b$: PHP's name for what is no longer the bug that $2x$ is kept for.
    hashes.set(user, hash.replace(/^\$2y/, '$2b'))
  }
  return { hashes, problems }
}

function whatIsWrong(user: string, hash: string): string | undefined {
  const cost = costOf(hash)
  const cannot = `is of no use, so that ${quote(user)} cannot log in:`
  if (cost < COSTS.least || cost > COSTS.most) {
    return `${cannot} bcrypt with cost ${cost}, which must be from ${COSTS.least} to ${COSTS.most}`
  }
  if (!Number.isNaN(cost)) return undefined
  const [, kind = 'crypt, or no hash at all'] = OTHER_HASHES.find(([pattern]) => pattern.test(hash)) ?? []
  return `${cannot} its hash is ${kind}; only bcrypt counts (htpasswd -B)`
}
