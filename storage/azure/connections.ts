import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { agentOptions, type Environment, proxyFor } from '../../src/outgoing/proxy.ts'
import { trustSystem } from '../../src/outgoing/trust.ts'

/** Connections at rest. What copies side by side and what many clients pull needs about as many. */
const MAX_FREE = 64
/** They are left before a firewall on the way has forgotten them: on one of those nothing would come until the try ends. */
const IDLE_MS = 50_000

/** Gives the connections to a service, through a proxy where the environment names one for it. */
export interface Connections {
  agentFor(url: string): HttpAgent
  close(): void
}

/**
 * @param skipverify takes any certificate
 * @throws TrustError, ProxyError in words for an administrator
 */
export async function openConnections(
  env: Environment,
  skipverify: boolean,
  idleMs = IDLE_MS
): Promise<Connections> {
  await trustSystem(env)
  const agents = new Map<string, HttpAgent>()
  return {
    agentFor(address) {
      const url = new URL(address)
      const known = agents.get(url.origin)
      if (known !== undefined) return known
      const proxy = agentOptions(proxyFor(url, env))
      const options = { keepAlive: true, maxFreeSockets: MAX_FREE, timeout: idleMs, ...proxy }
      const agent =
        url.protocol === 'https:'
          ? new HttpsAgent({ ...options, rejectUnauthorized: !skipverify })
          : new HttpAgent(options)
      agents.set(url.origin, agent)
      return agent
    },
    close() {
      for (const agent of agents.values()) agent.destroy()
    }
  }
}
