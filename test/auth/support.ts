import fastifyJwt from '@fastify/jwt'
import fastify from 'fastify'
import type { Test } from 'tap'
import { createKeyRing, deriveKeys, type Keys } from '../../src/auth/keys.ts'
import { createTokens } from '../../src/auth/tokens.ts'
import type { UserInfo } from '../../src/kubernetes/user-info.ts'

export const ISSUER = 'berth:https://api.example.com:6443'
export const PLUGIN_SECRET = 'the secret of the plugin'
export const LIFE_MS = 300_000
export const SETTLE_MS = 90_000

export const ALICE: UserInfo = {
  username: 'alice',
  uid: '7b2e6c1a',
  groups: ['developers', 'system:authenticated'],
  extra: { 'scopes.authorization.openshift.io': ['user:full'] }
}

/** `sign` and `verify` as the app has them: the plugin's own secret is of no use to anybody. */
export async function openJwt(t: Test) {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret: PLUGIN_SECRET })
  return app.jwt
}

/** Tokens, their keys, and a clock that stands still until it is moved. */
export async function createBed(
  t: Test,
  { secret = 'a secret', issuer = ISSUER, clock = { now: 1_800_000_000_000 } } = {}
) {
  const { sign, verify } = await openJwt(t)
  const keys: Keys = deriveKeys(secret)
  const now = () => clock.now
  const ring = createKeyRing(keys, { tokenLifeMs: LIFE_MS, settleMs: SETTLE_MS, now })
  const tokens = createTokens({ keys: ring, issuer, sign, verify, now })
  return { tokens, keys, ring, clock, sign, verify }
}
