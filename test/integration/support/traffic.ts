import { type Client, ConnectionLost } from './client.ts'
import type { Ledger } from './ledger.ts'
import { createPusher, imageManifest, type Pusher, UnexpectedReply, type Upload, uploadOf } from './pusher.ts'
import type { Random } from './random.ts'

/** What the clients of one registry have in common. */
export interface World {
  /** A client of its own for each that asks. */
  connect(): Client
  ledger: Ledger
  /** Blobs are smaller than one of these, each as often. */
  sizes: readonly number[]
  /** Uploads that were left open on purpose, with what was acknowledged of each. */
  parked: Upload[]
  /** What was pushed lately: pushed again now and then, also by two at once. */
  contents: Buffer[]
  /** Nothing new is made any more, only what is there already: caches get to hold all that they ever will. */
  isSettled: boolean
  /** Whether clients delete as well, in their own repositories: of no use to those who read others' tags. */
  deletes?: boolean
  /** True once the server has been killed: from then on a lost connection is no failure. */
  killed: boolean
  /** Whether a failure is one that is to be expected now, as that of a request which a killed worker had. The client then
   *  tries again: it resolves when that makes sense. */
  expects(error: unknown): boolean | Promise<boolean>
  figures: Record<string, number>
}

/** What a client was doing when the server died. */
export interface InFlight {
  title: string
  /** Does it again, as a client would, and rejects when that does not succeed. */
  retry(): Promise<void>
}

export interface Operation extends InFlight {
  attempt(): Promise<void>
}

/** A client that pushes. */
export interface Pushing {
  /** One after the other until the whole server is killed. Rejects when the server is at fault. */
  pushUntilKilled(): Promise<InFlight>
  /** What it would push next. */
  next(): Operation
  /** Goes on with a parked upload up to its end. */
  resume(upload: Upload): Promise<void>
  /** Later requests get a new connection. */
  close(): void
}

/** A request that one of these ports had under way, and that nobody has answered. */
export function isCut(error: unknown, lostPorts: ReadonlySet<number>): boolean {
  return error instanceof ConnectionLost && error.localPort !== undefined && lostPorts.has(error.localPort)
}

/**
 * Does it, and again as often as what the world expects keeps it from succeeding.
 * @returns false when the whole server was killed meanwhile
 * @throws Error when the server is at fault
 */
export async function perform(world: World, operation: Operation): Promise<boolean> {
  const count = (figure: string): void => {
    world.figures[figure] = (world.figures[figure] ?? 0) + 1
  }
  for (let tries = 0; ; tries += 1) {
    try {
      await (tries === 0 ? operation.attempt() : operation.retry())
      count(tries === 0 ? 'operations' : 'operations that succeeded when tried again')
      return true
    } catch (error) {
      if (world.killed && !(error instanceof UnexpectedReply)) return false
      if (!(await world.expects(error))) {
        throw new Error(tries === 0 ? operation.title : `retry of ${operation.title}`, { cause: error })
      }
      if (tries === 0) count('operations that did not succeed, as was to be expected')
    }
  }
}

const SHARED = 'traffic/shared'
const SHARED_TAGS = ['latest', 'stable', 'v1']

export function createPushing(
  world: World,
  id: number,
  random: Random,
  client: Client = world.connect()
): Pushing {
  const pusher: Pusher = createPusher(client)
  const { ledger } = world

  const count = (figure: string): void => {
    world.figures[figure] = (world.figures[figure] ?? 0) + 1
  }

  const repository = `traffic/client${id}`

  function content(): Buffer {
    if (world.contents.length > 0 && (world.isSettled || random.chance(0.15)))
      return random.pick(world.contents)
    const most = random.pick(world.sizes)
    const bytes = random.chance(0.02) ? Buffer.alloc(0) : random.bytes(random.between(3, most))
    world.contents.push(bytes)
    if (world.contents.length > 16) world.contents.shift()
    return bytes
  }

  async function finish(upload: Upload): Promise<void> {
    await pusher.finish(upload)
    ledger.blob(upload.name, upload.digest, upload.content.length)
  }

  /** Sends a part and leaves the last byte at least, so that a later step has something to send. */
  async function appendSome(upload: Upload): Promise<boolean> {
    const left = upload.content.length - upload.acknowledged
    if (left < 2) return false
    // Never the first byte alone: `Range: 0-0` says one byte and none alike. Hence no blob of two bytes either.
    await pusher.append(upload, upload.acknowledged + random.between(Math.min(2, left - 1), left - 1))
    return true
  }

  async function resume(upload: Upload): Promise<void> {
    const stored = await pusher.progress(upload)
    if (stored === undefined) throw new Error(`upload ${upload.location} is unknown after the restart`)
    if (stored < upload.acknowledged || stored > upload.sent) {
      const { acknowledged, sent } = upload
      throw new Error(`upload has ${stored} bytes; ${acknowledged} were acknowledged and ${sent} sent`)
    }
    upload.acknowledged = stored
    if (random.chance(0.5)) await appendSome(upload)
    await finish(upload)
    count('resumed uploads')
  }

  async function pushAfresh(upload: Upload): Promise<void> {
    const again = uploadOf(upload.name, upload.content)
    await pusher.open(again)
    await finish(again)
  }

  /** A session may only be gone when its closing PUT was under way. */
  async function retryUpload(upload: Upload): Promise<void> {
    if (upload.location === undefined) return pushAfresh(upload)
    if (upload.closing && (await pusher.progress(upload)) === undefined) return pushAfresh(upload)
    return resume(upload)
  }

  function blobOperation(name: string): Operation {
    const upload = uploadOf(name, content())
    const way = random.pick(['single', 'single', 'chunked', 'chunked', 'stream', 'post'])
    const attempts: Record<string, () => Promise<void>> = {
      single: async () => {
        await pusher.open(upload)
        await finish(upload)
      },
      chunked: async () => {
        await pusher.open(upload)
        for (let parts = random.between(1, 4); parts > 0; parts -= 1) await appendSome(upload)
        await finish(upload)
      },
      stream: async () => {
        await pusher.open(upload)
        await pusher.stream(upload)
        await finish(upload)
      },
      post: async () => {
        await pusher.post(name, upload.content)
        ledger.blob(name, upload.digest, upload.content.length)
      }
    }
    return {
      title: `${way} push of ${upload.content.length} bytes to ${name}`,
      attempt: attempts[way] ?? (async () => {}),
      retry: () => retryUpload(upload)
    }
  }

  function parkOperation(name: string): Operation {
    const upload = uploadOf(name, content())
    return {
      title: `first part of ${upload.content.length} bytes to ${name}`,
      async attempt() {
        await pusher.open(upload)
        await appendSome(upload)
        world.parked.push(upload)
        count('parked uploads')
      },
      retry: () => retryUpload(upload)
    }
  }

  function mountOperation(name: string): Operation | undefined {
    const { name: from, digest, size } = random.pick(ledger.blobs)
    if (from === name) return undefined
    const mount = async (): Promise<void> => {
      await pusher.mount(name, from, digest)
      ledger.blob(name, digest, size)
    }
    return { title: `mount of ${digest} from ${from} to ${name}`, attempt: mount, retry: mount }
  }

  function tagOperation(name: string): Operation | undefined {
    const held = ledger.blobs.filter((blob) => blob.name === name)
    if (held.length === 0) return undefined
    const layers = Array.from({ length: random.between(0, 3) }, () => random.pick(held))
    const made = world.isSettled ? ledger.manifests.filter((manifest) => manifest.name === name) : []
    const bytes =
      made.length > 0 ? random.pick(made).bytes : imageManifest(random.pick(held), layers, `${random.next()}`)
    const tags = name === SHARED ? SHARED_TAGS : ['latest', `v${random.below(1000)}`]
    const tag = random.chance(0.15) ? undefined : random.pick(tags)
    const digest = uploadOf(name, bytes).digest
    const push = async (): Promise<void> => {
      const ended = tag === undefined ? () => {} : ledger.tagging(name, tag, digest)
      await telling(ended, () => pusher.manifest(name, tag ?? digest, bytes))
      ledger.manifest(name, digest, bytes)
    }
    return { title: `manifest ${digest} as ${name}:${tag}`, attempt: push, retry: push }
  }

  /** @param ended is told whether it was done, where that is known */
  async function telling<T>(ended: (acknowledged: boolean) => void, write: () => Promise<T>): Promise<T> {
    try {
      const result = await write()
      ended(true)
      return result
    } catch (error) {
      if (error instanceof UnexpectedReply) ended(false)
      throw error
    }
  }

  /** Of its own repository: nobody else deletes there. */
  function untagOperation(): Operation | undefined {
    const own = [...ledger.tags.values()].filter((one) => one.name === repository)
    if (own.length === 0) return undefined
    const history = random.pick(own)
    const { name, tag } = history
    const untag = async (): Promise<void> => {
      const mayBeGone = ledger.allowed(history).includes(undefined)
      const ended = ledger.tagging(name, tag, undefined)
      const wasThere = await telling(ended, () => pusher.untag(name, tag))
      if (!wasThere && !mayBeGone) throw new Error(`the tag ${name}:${tag} was lost before it was deleted`)
      count('deletions of tags')
    }
    return { title: `deletion of ${name}:${tag}`, attempt: untag, retry: untag }
  }

  /** Makes an image that nobody else knows of, and deletes it, and its config: they must be gone ever after. */
  function removalOperation(): Operation {
    const content = random.bytes(random.between(3, 1000))
    const config = { digest: uploadOf(repository, content).digest, size: content.length }
    const bytes = imageManifest(config, [], `${random.next()}`)
    const { digest } = uploadOf(repository, bytes)
    const tag = 'deleted'
    const remove = async (): Promise<void> => {
      await pusher.blob(repository, content)
      const tagged = ledger.tagging(repository, tag, digest)
      await telling(tagged, () => pusher.manifest(repository, tag, bytes))
      const untagged = ledger.tagging(repository, tag, undefined)
      await telling(untagged, () => pusher.remove(repository, `manifests/${digest}`))
      await pusher.remove(repository, `blobs/${config.digest}`)
      ledger.deleted.push(`${repository}/manifests/${digest}`, `${repository}/blobs/${config.digest}`)
      count('deletions of images and blobs')
    }
    return { title: `deletion of ${repository}@${digest}`, attempt: remove, retry: remove }
  }

  function nextOperation(): Operation {
    const name = random.chance(0.35) ? SHARED : repository
    const kind = random.next()
    if (world.deletes && random.chance(0.03)) return untagOperation() ?? blobOperation(name)
    if (world.deletes && random.chance(0.03)) return removalOperation()
    const small =
      kind < 0.35 ? tagOperation(name) : kind < 0.5 && mountable() ? mountOperation(name) : undefined
    return small ?? (kind > 0.97 && !world.isSettled ? parkOperation(name) : blobOperation(name))
  }

  const mountable = (): boolean => ledger.blobs.length > 0

  return {
    async pushUntilKilled() {
      while (true) {
        const operation = nextOperation()
        if (!(await perform(world, operation))) return operation
      }
    },
    next: nextOperation,
    resume,
    close: () => client.close()
  }
}
