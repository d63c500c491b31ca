import type { Test } from 'tap'
import type { Connection } from '../../src/kubernetes/connection.ts'
import { createTransport, type TransportOptions } from '../../src/kubernetes/transport.ts'
import { type FakeCluster, fakeCluster } from './fake-api-server.ts'

export const NAMESPACE = { method: 'GET', path: '/api/v1/namespaces/team' } as const

type Bed = TransportOptions & { cluster?: FakeCluster; connection?: Connection }

/** A cluster, and calls to it that take no time to wait: what they would have slept is kept. */
export async function bed(t: Test, { connection, cluster: given, ...options }: Bed = {}) {
  const cluster = given ?? (await fakeCluster(t))
  cluster.createNamespace('team')
  const slept: number[] = []
  let time = 0
  const transport = createTransport(connection ?? (await cluster.connection()), {
    now: () => time,
    random: () => 0,
    sleep: async (ms) => {
      slept.push(ms)
      time += ms
    },
    ...options
  })
  t.teardown(() => transport.close())
  return { cluster, transport, slept, get: () => transport.call(NAMESPACE, 'own') }
}

/** @returns the message of what is thrown */
export async function failureOf(t: Test, call: Promise<unknown>, name = 'ApiUnavailable'): Promise<string> {
  const error: Error = await call.then(
    () => t.fail('answered') as never,
    (error) => error
  )
  t.equal(error.name, name)
  return error.message
}
