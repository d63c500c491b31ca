import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, digestOf, type Reply } from './client.ts'
import { createPusher, imageManifest, OCI_MANIFEST, UnexpectedReply } from './pusher.ts'
import type { Random } from './random.ts'
import { createPushing, type Operation, type Pushing, perform, type World } from './traffic.ts'
import type { Verdict } from './verdict.ts'
import { createVerification } from './verification.ts'

/** A client that does all that clients do: it pushes, and it also pulls, lists and deletes. */
export interface Usage {
  /** What it would do next. What is wrong with an answer makes it reject. */
  next(): Operation
  /** The next of what changes nothing, if there is something to read already. */
  read(): Operation | undefined
  /** What it had removed, and nobody has pushed again: paths that are to answer 404. */
  removed: ReadonlySet<string>
  pushing: Pushing
  /** Later requests get a new connection. */
  close(): void
}

/** So many different images each client pushes only to remove them. */
const FLEETING = 20

/** Between two things that a client does: enough that a check is none of how fast the machine is. */
const PAUSE_MS = 60

export interface Usages {
  all: readonly Usage[]
  /** All go on, each with one thing after another, until it is over. What fails and should not is the verdict's.
   *  @param readers so many only read */
  goOnUntil(isOver: () => boolean, readers?: number): Promise<void>
  /** What was acknowledged is there, what was removed is not, and uploads that were left open go on. Gives whether all of
   *  that is so, and nothing failed before. */
  judge(): Promise<boolean>
  /** Later requests get new connections. */
  close(): void
}

/** @param connect gives each client its connections; the world's own `connect` if not said */
export function createUsages(
  world: World,
  count: number,
  random: Random,
  verdict: Verdict,
  connect: (id: number) => Client = world.connect
): Usages {
  const all = Array.from({ length: count }, (_, id) =>
    createUsage(world, id, random.branch(id), () => connect(id))
  )
  const client = world.connect()
  return {
    all,
    async goOnUntil(isOver, readers = 0) {
      const goOn = async ({ next, read }: Usage, id: number): Promise<void> => {
        while (!isOver()) {
          const operation = id < readers ? read() : next()
          try {
            if (operation !== undefined) await perform(world, operation)
          } catch (error) {
            verdict.must(false, 'what a client does succeeds', error)
          }
          await sleep(random.below(PAUSE_MS))
        }
      }
      await Promise.all(all.map(goOn))
    },
    async judge() {
      const { figures, ledger, parked } = world
      for (const [figure, value] of Object.entries(figures)) verdict.note(`${value} ${figure}`)
      const { blobs, manifests, tags } = ledger
      verdict.note(
        `${blobs.length} blobs, ${manifests.length} manifests and ${tags.size} tags acknowledged, ${parked.length} uploads left open`
      )
      for (const upload of parked.slice(-100)) {
        await all[0]?.pushing
          .resume(upload)
          .catch((error) => verdict.must(false, 'an open upload goes on', error))
      }
      await createVerification(client, ledger, verdict).everything()
      for (const path of all.flatMap(({ removed }) => [...removed])) {
        const { status } = await client.request('HEAD', path)
        verdict.must(status === 404, 'what was removed stays away', `${path}: ${status}`)
      }
      return verdict.failures() === 0
    },
    close() {
      for (const one of [...all, client]) one.close()
    }
  }
}

/** @param id tells it from other clients of this world: only it pushes to the repositories of this name */
function createUsage(world: World, id: number, random: Random, connect: () => Client): Usage {
  const { ledger } = world
  const client = connect()
  const pusher = createPusher(client)
  const pushing = createPushing(world, id, random.branch('pushes'), connect())
  const mine = `traffic/client${id}`
  const fleeting = `traffic/fleeting${id}`
  const removed = new Set<string>()
  const contents = Array.from({ length: FLEETING }, () => random.bytes(random.between(100, 5000)))

  async function expect(status: number, method: string, path: string): Promise<Reply> {
    const reply = await client.request(method, path, { headers: { accept: OCI_MANIFEST } })
    if (reply.status !== status) throw new UnexpectedReply(`${method} ${path}`, reply)
    return reply
  }

  function again(title: string, attempt: () => Promise<void>): Operation {
    return { title, attempt, retry: attempt }
  }

  function pullBlob(): Operation | undefined {
    if (ledger.blobs.length === 0) return undefined
    const { name, digest, size } = random.pick(ledger.blobs)
    const path = `/v2/${name}/blobs/${digest}`
    return again(`GET ${path}`, async () => {
      const got = await client.pull(path)
      if (got.status === 200 && got.digest === digest && got.size === size) return
      throw new Error(`GET ${path}: ${got.status}, ${got.size} of ${size} bytes, ${got.digest}`)
    })
  }

  function pullManifest(): Operation | undefined {
    if (ledger.manifests.length === 0) return undefined
    const { name, digest, bytes } = random.pick(ledger.manifests)
    const path = `/v2/${name}/manifests/${digest}`
    return again(`GET ${path}`, async () => {
      const reply = await expect(200, 'GET', path)
      if (!reply.body.equals(bytes)) throw new UnexpectedReply(`GET ${path}: other bytes`, reply)
    })
  }

  /** Nobody else moves tags of this client's own repository, so there is one right answer. */
  function pullTag(): Operation | undefined {
    const tags = [...ledger.tags.values()].filter(({ name, writes }) => name === mine && writes.length > 0)
    if (tags.length === 0) return undefined
    const history = random.pick(tags)
    const path = `/v2/${mine}/manifests/${history.tag}`
    return again(`GET ${path}`, async () => {
      const reply = await expect(200, 'GET', path)
      const digest = String(reply.headers['docker-content-digest'])
      if (!ledger.allowed(history).includes(digest))
        throw new UnexpectedReply(`GET ${path}: ${digest}`, reply)
    })
  }

  function list(): Operation {
    const path = random.chance(0.8) ? `/v2/${mine}/tags/list` : '/v2/_catalog?n=100'
    return again(`GET ${path}`, async () => {
      const expected = [...ledger.tags.values()].filter(
        ({ name, writes }) => name === mine && isThere(writes)
      )
      if (expected.length === 0) return
      const reply = await expect(200, 'GET', path)
      const { tags, repositories } = JSON.parse(reply.body.toString())
      const missing =
        tags === undefined
          ? !repositories.includes(mine)
          : expected.some(({ tag }) => !new Set(tags).has(tag))
      if (missing) throw new UnexpectedReply(`GET ${path} lacks what was pushed`, reply)
    })
  }

  /** Pushes a small image and removes all of it again; each removal is looked at over another connection. */
  function remove(): Operation {
    const content = random.pick(contents)
    const tag = `t${contents.indexOf(content)}`
    return again(`push and removal of ${fleeting}:${tag}`, async () => {
      const blob = digestOf(content)
      const bytes = imageManifest({ digest: blob, size: content.length }, [])
      const paths = [tag, digestOf(bytes)].map((reference) => `/v2/${fleeting}/manifests/${reference}`)
      paths.push(`/v2/${fleeting}/blobs/${blob}`)
      for (const path of paths) removed.delete(path)
      await pusher.blob(fleeting, content)
      await pusher.manifest(fleeting, tag, bytes)
      for (const path of paths) {
        await expect(200, 'GET', path)
        await expect(202, 'DELETE', path)
        if (random.chance(0.2)) client.close()
        await expect(404, 'GET', path)
        removed.add(path)
      }
    })
  }

  function read(): Operation | undefined {
    if (random.chance(0.02)) client.close()
    const kind = random.next()
    return kind < 0.3 ? pullBlob() : kind < 0.6 ? pullManifest() : kind < 0.8 ? pullTag() : list()
  }

  return {
    next() {
      if (random.chance(0.02)) pushing.close()
      const kind = random.next()
      return (kind < 0.5 ? read() : kind < 0.6 ? remove() : undefined) ?? pushing.next()
    },
    read,
    removed,
    pushing,
    close() {
      client.close()
      pushing.close()
    }
  }
}

const isThere = (writes: readonly { acknowledged: boolean }[]): boolean =>
  writes.some(({ acknowledged }) => acknowledged)
