import { createHmac } from 'node:crypto'
import t from 'tap'
import { deriveKeys } from '../../src/auth/keys.ts'
import type { Access } from '../../src/auth/scope.ts'
import { ALICE, createBed, ISSUER, LIFE_MS } from './support.ts'

const ACCESS: Access[] = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }]

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const partsOf = (token: string) => {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  return { header: read(header), payload: read(payload), signature }
}

/** A token signed as whoever has the key could, with a header and payload of any kind. */
function forge(key: Buffer | string, header: unknown, payload: unknown, hash = 'sha256'): string {
  const input = `${base64url(header)}.${base64url(payload)}`
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`
}

t.test('a token says again what it was issued for, also to another replica', async (t) => {
  const [here, there] = [await createBed(t), await createBed(t)]
  const { token, expiresIn, issuedAt } = here.tokens.issue(ALICE, ACCESS, LIFE_MS)
  t.equal(expiresIn, 300)
  t.equal(issuedAt, '2027-01-15T08:00:00.000Z')
  for (const { tokens } of [here, there]) {
    t.strictSame(tokens.verify(token), { access: ACCESS, expiresAt: 1_800_000_300_000, user: ALICE })
    t.equal(tokens.verify(token), tokens.verify(token), 'remembered')
    t.equal(tokens.isOurs(token), true)
  }
})

t.test('the claims are those of the specification, and hide who the user is but for the name', async (t) => {
  const { tokens, keys } = await createBed(t)
  const { header, payload } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  t.strictSame(header, { alg: 'HS256', typ: 'JWT', kid: keys.id })
  const { jti, id, ...rest } = payload
  t.strictSame(rest, {
    iss: ISSUER,
    aud: 'berth',
    sub: 'alice',
    exp: 1_800_000_300,
    nbf: 1_800_000_000,
    iat: 1_800_000_000,
    access: ACCESS
  })
  t.match(jti, /^[0-9a-f-]{36}$/)
  t.notOk(Buffer.from(id, 'base64url').includes('developers'))
})

t.test('a token never lives longer than asked, to the part of a second', async (t) => {
  const { tokens, clock } = await createBed(t)
  clock.now += 900
  const { token, expiresIn } = tokens.issue(ALICE, [], 10_050)
  t.equal(expiresIn, 10)
  t.equal(tokens.verify(token)?.expiresAt, 1_800_000_010_000)
  t.equal(tokens.issue(ALICE, [], 500).expiresIn, 1)
})

t.test('clocks may differ by a minute, at either end and whether a token is known or new', async (t) => {
  const { tokens, clock } = await createBed(t)
  const issued = clock.now
  const { token } = tokens.issue(ALICE, ACCESS, LIFE_MS)
  const goodAt: [number, boolean][] = [
    [-60_001, false],
    [-60_000, true],
    [0, true],
    [LIFE_MS + 60_000, true],
    [LIFE_MS + 60_001, false]
  ]
  for (const [after, good] of goodAt) {
    clock.now = issued + after
    t.equal(tokens.verify(token) !== undefined, good, `known, ${after} ms after it was issued`)
    const fresh = await createBed(t, { clock })
    t.equal(fresh.tokens.verify(token) !== undefined, good, `new, ${after} ms after it was issued`)
  }
})

t.test('of what is signed otherwise, nothing is accepted', async (t) => {
  const { tokens, keys } = await createBed(t)
  const { token } = tokens.issue(ALICE, ACCESS, LIFE_MS)
  const { header, payload } = partsOf(token)
  t.ok(tokens.verify(forge(keys.signing, header, payload)), 'this is how they are signed')
  const other = deriveKeys('another secret')
  const forgeries = {
    'alg none, no signature': `${base64url({ ...header, alg: 'none' })}.${base64url(payload)}.`,
    'alg none, signed': forge(keys.signing, { ...header, alg: 'none' }, payload),
    HS384: forge(keys.signing, { ...header, alg: 'HS384' }, payload, 'sha384'),
    'another secret': forge(other.signing, header, payload)
  }
  for (const [title, forgery] of Object.entries(forgeries)) {
    t.equal(tokens.verify(forgery), undefined, title)
    t.equal(tokens.isOurs(forgery), true, title)
  }
})
