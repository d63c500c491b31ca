import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { ANONYMOUS } from '../../src/auth/authority.ts'
import { createClusterAuthority } from '../../src/auth/cluster.ts'
import { createTold } from '../../src/auth/told.ts'
import type { ApiServer } from '../../src/kubernetes/api-server.ts'
import { alone } from '../../src/registry/siblings.ts'
import { ALICE } from './support.ts'

t.test('what nobody may do can be asked by anybody, and keeps nobody else waiting', async (t) => {
  const asked: string[] = []
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const api: Pick<ApiServer, 'url' | 'reviewAccess'> = {
    url: 'https://api.example.com',
    async reviewAccess({ username }) {
      asked.push(username)
      if (username === ANONYMOUS.username) await answered
      return { allowed: true, reason: '' }
    }
  }
  const logger = { info() {}, warn() {} }
  const { decide } = createClusterAuthority({
    api: api as ApiServer,
    audiences: [],
    nested: false,
    siblings: alone,
    hash: (text) => text,
    logger,
    told: createTold({ logger })
  })
  const crowd = Array.from({ length: 1200 }, (_, index) =>
    decide(ANONYMOUS, 'pull', { namespace: 'team', name: `app-${index}` })
  )
  const outcomes = Promise.allSettled(crowd)
  await setImmediate()
  t.equal(asked.length, 10)
  t.match(await decide(ALICE, 'pull', { namespace: 'team', name: 'app' }), { allowed: true })
  answer()
  const refused = (await outcomes).filter(({ status }) => status === 'rejected')
  t.equal(refused.length, 1200 - 1010, 'who would wait for long is told at once')
  for (const outcome of refused) t.match(outcome, { reason: { name: 'API_UNAVAILABLE' } })
})
