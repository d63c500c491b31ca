import { createClient } from '../support/client.ts'
import type { Kube, KubeUser } from '../support/kube.ts'
import { startClusterBerth } from '../support/kube-berth.ts'
import type { RunningServer } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import type { Repository, Sender } from './attempts.ts'
import type { Oracle } from './oracle.ts'

/** A service account, or whoever has not logged in. */
export interface Person extends KubeUser {
  /** The cluster's. */
  token?: string
}
export const ANYBODY: Person = { username: 'system:anonymous', groups: ['system:unauthenticated'] }

/** A berth, and what was put there for requests to find. */
export interface Registry {
  server: RunningServer
  as(authorization: string | undefined): Sender
  nested: boolean
  anonymousCatalog: boolean
  stocked: Repository[]
}

/** After so many policies come other settings of berth. */
const PER_SETTINGS = 25

export interface Registries {
  /**
   * A berth for this policy. Whoever has not logged in is the same under all policies, and berth remembers for seconds
   * what it was told about them: so each berth is for policies under which they may do the same everywhere.
   */
  for(number: number): Promise<Registry>
  /** How many there were. */
  started(): number
  stop(): Promise<void>
}

export function createRegistries(kube: Kube, oracle: Oracle, seed: string): Registries {
  const running = new Map<string, Registry>()
  let started = 0

  async function stop(): Promise<void> {
    await Promise.all([...running.values()].map(({ server }) => server.stop()))
    running.clear()
  }

  return {
    started: () => started,
    stop,
    async for(number) {
      if (number % PER_SETTINGS === 0) await stop()
      const wide = [oracle.may(ANYBODY, 'prune', {}), oracle.may(ANYBODY, 'pull', {})]
      const key = (await Promise.all(wide)).join()
      const known = running.get(key)
      if (known !== undefined) return known
      const random = seeded(seed).branch(Math.floor(number / PER_SETTINGS))
      const [nested, anonymousCatalog] = [random.chance(0.5), random.chance(0.5)]
      const server = await startClusterBerth(kube, {
        env: {
          REGISTRY_HTTP_PROCESSES: '1',
          REGISTRY_OPENSHIFT_AUTH_NESTEDREPOSITORIES: String(nested),
          REGISTRY_OPENSHIFT_AUTH_ANONYMOUSCATALOG: String(anonymousCatalog)
        }
      })
      started += 1
      const client = createClient(server.url)
      const registry: Registry = {
        server,
        nested,
        anonymousCatalog,
        stocked: [],
        as: (authorization) => ({
          request: (method, path, options) => {
            const headers = { ...options?.headers, ...(authorization && { authorization }) }
            return client.request(method, path, { ...options, headers })
          }
        })
      }
      running.set(key, registry)
      return registry
    }
  }
}

/** What the token endpoint gives, and what that grants. */
export async function exchange(
  registry: Registry,
  credential: string | undefined,
  scope: string
): Promise<{ token: string; access: string[] }> {
  const query = new URLSearchParams({ scope })
  const { status, body } = await registry.as(credential).request('GET', `/openshift/token?${query}`)
  if (status !== 200) throw new Error(`${scope}: ${status} ${body}`)
  const { token } = JSON.parse(body.toString())
  const { access } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
  const texts = access.map(
    ({ type, name, actions }: { type: string; name: string; actions: string[] }) =>
      `${type}:${name}:${actions.join()}`
  )
  return { token, access: texts }
}
