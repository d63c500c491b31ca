import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { createKeyRing, deriveKeys, TOKEN_LIFE_MS } from '../../../src/auth/keys.ts'
import { type Access, parseScopes } from '../../../src/auth/scope.ts'
import { createTokens } from '../../../src/auth/tokens.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { RepositoryName, Tag } from '../../../src/oci/name.ts'
import { memoryStorage } from '../../../storage/memory.ts'
import { digestOf, OCI_CONFIG, OCI_IMAGE } from '../../http/support.ts'
import { interposed } from '../../registry/interposed.ts'
import { openJwt } from '../support.ts'
import { basic, bearer, type World, type WorldOptions, world } from '../world.ts'
import type { CallerName } from './table.ts'

/** What was put into a repository for one request. */
export interface Target {
  name: string
  tag: string
  manifest: string
  blob: string
  upload: string
}

export interface Scene extends World {
  /** The cluster's token of each caller; undefined for whoever has none. */
  tokens: Record<CallerName, string | undefined>
  /** The header of each caller, by form; undefined where none is sent. */
  show(caller: CallerName, form: Form, scopes: readonly string[]): Promise<string | undefined>
  /** Puts a manifest, a blob and an upload into a repository, past all judging, that belongs to its namespace. */
  fill(name: string): Promise<Target>
  /** What was done to the storage since the last call, such as `write docker/…`. */
  changes(): string[]
}

export const FORMS = ['Basic', 'Bearer', 'JWT'] as const
export type Form = (typeof FORMS)[number]

const CHANGE = /^(write|begin|append|commit|abandon|delete|deleteFolder) /

export const SECRET = 'a secret'

/** A cluster with namespaces `team` and `other`, and the callers of the matrix. */
export async function scene(t: Test, options: WorldOptions = {}): Promise<Scene> {
  const changes: string[] = []
  const storage = interposed(memoryStorage(), (call) => {
    if (CHANGE.test(call)) changes.push(call)
  })
  const it = await world(t, { secret: SECRET, ...options, storage })
  const { cluster, registry } = it
  const uids = { team: cluster.createNamespace('team'), other: cluster.createNamespace('other') }
  const tokens: Scene['tokens'] = {
    anonymous: undefined,
    bad: 'nobodys-token',
    expired: cluster.addUser('ed'),
    viewer: cluster.addUser('vera'),
    editor: cluster.addUser('ed'),
    admin: cluster.addUser('ada'),
    pruner: cluster.addServiceAccount('berth', 'pruner'),
    stranger: cluster.addUser('otto'),
    metrics: cluster.addServiceAccount('monitoring', 'prometheus')
  }
  cluster.expire(tokens.expired as string)
  cluster.grant('vera', 'registry-viewer', 'team')
  cluster.grant('ed', 'registry-editor', 'team')
  cluster.grant('ada', 'registry-admin', 'team')
  cluster.grant('otto', 'registry-editor', 'other')
  cluster.grant('system:serviceaccount:berth:pruner', 'system:image-pruner')
  cluster.grant('system:serviceaccount:monitoring:prometheus', 'prometheus-scraper')

  const forge = await createForge(t, cluster.url)
  const issued = new Map<string, Promise<string>>()

  function tokenOf(caller: CallerName, scopes: readonly string[]): Promise<string> {
    const key = `${caller} ${scopes}`
    const known = issued.get(key)
    if (known !== undefined) return known
    const secret = tokens[caller]
    const pending = it.exchange(secret === undefined ? undefined : basic(secret), ...scopes)
    issued.set(key, pending)
    return pending
  }

  return {
    ...it,
    tokens,

    async show(caller, form, scopes) {
      if (form === 'JWT') {
        if (caller === 'expired') return bearer(forge.expired(parseScopes(scopes)))
        if (caller !== 'bad') return bearer(await tokenOf(caller, scopes))
        const token = await tokenOf('editor', scopes)
        return bearer(token.slice(0, -2) + (token.endsWith('AA') ? 'BB' : 'AA'))
      }
      const token = tokens[caller]
      if (token === undefined) return form === 'Basic' ? 'Basic Og==' : undefined
      return form === 'Basic' ? basic(token, caller) : bearer(token)
    },

    async fill(text) {
      const name = text as RepositoryName
      const content = randomUUID()
      const config = Buffer.from('{}')
      await registry.blobs.write(name, digestOf(config) as Digest, [config])
      await registry.blobs.write(name, digestOf(content) as Digest, [Buffer.from(content)])
      const manifest = {
        schemaVersion: 2,
        mediaType: OCI_IMAGE,
        config: { mediaType: OCI_CONFIG, digest: digestOf(config), size: config.length },
        layers: [],
        annotations: { content }
      }
      const bytes = Buffer.from(JSON.stringify(manifest))
      const tag = `t-${content}`
      const push = { bytes, contentType: OCI_IMAGE, digest: undefined, tags: [tag as Tag] }
      const { digest } = await registry.manifests.put(name, push)
      const upload = await registry.uploads.start(name, 'sha256')
      const uid = uids[text.split('/', 1)[0] as keyof typeof uids]
      if (uid !== undefined && (await registry.owners.read(name)) === undefined) {
        await registry.owners.claim(name, uid, undefined)
      }
      changes.length = 0
      return { name, tag, manifest: digest, blob: digestOf(content), upload }
    },

    changes: () => changes.splice(0)
  }
}

/** Makes what only the registry itself can: tokens of the past. */
async function createForge(t: Test, url: string): Promise<{ expired(access: readonly Access[]): string }> {
  const now = (): number => Date.now() - 2 * TOKEN_LIFE_MS
  const { sign, verify } = await openJwt(t)
  const keys = createKeyRing(deriveKeys(SECRET), { tokenLifeMs: TOKEN_LIFE_MS, settleMs: 0, now })
  const tokens = createTokens({ keys, issuer: `berth:${url}`, sign, verify, now })
  const user = { username: 'ed', uid: 'uid-of-ed', groups: ['system:authenticated'], extra: {} }
  return { expired: (access) => tokens.issue(user, access, TOKEN_LIFE_MS).token }
}
