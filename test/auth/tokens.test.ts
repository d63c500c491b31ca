import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import t from 'tap'
import { deriveKeys, LEEWAY_MS } from '../../src/auth/keys.ts'
import type { Access } from '../../src/auth/scope.ts'
import { createTokens } from '../../src/auth/tokens.ts'
import { createRandom, type Random } from '../oci/random.ts'
import { ALICE, createBed, ISSUER, LIFE_MS, PLUGIN_SECRET, SETTLE_MS } from './support.ts'

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

t.test('what is not signed with HS256 and our key is refused, whatever its header says', async (t) => {
  const { tokens, keys } = await createBed(t)
  const { header, payload } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  const { signing } = keys
  t.ok(tokens.verify(forge(signing, header, payload)), 'this is how they are signed')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signedByRsa = `${base64url({ ...header, alg: 'RS256' })}.${base64url(payload)}`
  const unsigned = `${base64url({ ...header, alg: 'none' })}.${base64url(payload)}.`
  const publicKey = rsa.publicKey.export({ type: 'spki', format: 'pem' })
  const forgeries: Record<string, string> = {
    'alg none': unsigned,
    'alg None': forge(signing, { ...header, alg: 'None' }, payload),
    'alg none, signed': forge(signing, { ...header, alg: 'none' }, payload),
    'alg none, then HS256, not signed': `${base64url(`{"alg":"none","alg":"HS256","kid":"${keys.id}"}`)}.${base64url(payload)}.`,
    'no alg': forge(signing, { typ: 'JWT', kid: keys.id }, payload),
    'alg in a list': forge(signing, { ...header, alg: ['HS256'] }, payload),
    HS384: forge(signing, { ...header, alg: 'HS384' }, payload, 'sha384'),
    HS512: forge(signing, { ...header, alg: 'HS512' }, payload, 'sha512'),
    'HS384 that says HS256': forge(signing, header, payload, 'sha384'),
    'RS256 with our key as its public key': forge(signing, { ...header, alg: 'RS256' }, payload),
    'RS256 with a key of its own': `${signedByRsa}.${sign('sha256', Buffer.from(signedByRsa), rsa.privateKey).toString('base64url')}`,
    'the public key of its jwk as the secret': forge(
      publicKey.toString(),
      { ...header, jwk: { k: publicKey } },
      payload
    ),
    'another secret': forge(deriveKeys('another secret').signing, header, payload),
    'an empty secret': forge('', header, payload),
    "the plugin's own secret": forge(PLUGIN_SECRET, header, payload),
    'the key that seals': forge(keys.sealing, header, payload),
    'the key as text': forge(signing.toString('hex'), header, payload),
    'no signature': `${base64url(header)}.${base64url(payload)}.`,
    'a signature of nothing': `${base64url(header)}.${base64url(payload)}.${'A'.repeat(43)}`
  }
  for (const [title, forgery] of Object.entries(forgeries)) {
    t.equal(tokens.verify(forgery), undefined, title)
    t.equal(tokens.isOurs(forgery), true, title)
  }
})

t.test('what we signed for another purpose is refused', async (t) => {
  const { tokens, keys, clock } = await createBed(t)
  const { header, payload } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  const seconds = clock.now / 1000
  const { jti: _, ...withoutJti } = payload
  const forgeries: [string, object | string, (object | string)?][] = [
    ['another issuer', { ...payload, iss: 'berth:https://api.other.example.com:6443' }],
    ['an issuer that begins like ours', { ...payload, iss: `${ISSUER}/` }],
    ['a list of issuers', { ...payload, iss: [ISSUER] }],
    ['no issuer', { ...payload, iss: undefined }],
    ['another audience', { ...payload, aud: 'registry' }],
    ['other audiences', { ...payload, aud: ['registry', 'Berth'] }],
    ['no audience', { ...payload, aud: undefined }],
    ['expired', { ...payload, exp: seconds - 61 }],
    ['no end', { ...payload, exp: undefined }],
    ['an end that is text', { ...payload, exp: String(payload.exp) }],
    ['an end that is null', { ...payload, exp: null }],
    ['not yet good', { ...payload, nbf: seconds + 61 }],
    ['no beginning', { ...payload, nbf: undefined }],
    ['no access', { ...payload, access: undefined }],
    ['no identity', { ...payload, id: undefined }],
    ['no id of its own', withoutJti],
    ['another user', { ...payload, sub: 'bob' }],
    ['another id', { ...payload, jti: randomUUID() }],
    ['a list', [payload]],
    ['text', '"text"'],
    ['null', 'null'],
    ['no JSON', '{'],
    ['a critical header', payload, { ...header, crit: ['exp'], exp: 1 }],
    ['a critical header of the standard', payload, { ...header, crit: ['alg'] }],
    ['a critical header that is empty', payload, { ...header, crit: [] }],
    ['an unencoded payload', payload, { ...header, crit: ['b64'], b64: false }],
    ['a header that is a list', payload, [header]],
    ['an unknown key', payload, { ...header, kid: 'berth-AAAAAAAAAAAA' }],
    ['no key', payload, { alg: 'HS256', typ: 'JWT' }],
    ...[
      '',
      ' ',
      '__proto__',
      'constructor',
      '../../../../dev/null',
      "' OR 1=1",
      null,
      0,
      true,
      [keys.id],
      { id: keys.id }
    ].map((kid): [string, object, object] => [`kid ${JSON.stringify(kid)}`, payload, { ...header, kid }]),
    ['two keys, the last unknown', payload, `{"alg":"HS256","kid":"${keys.id}","kid":"other"}`]
  ]
  for (const [title, changed, changedHeader = header] of forgeries) {
    t.equal(tokens.verify(forge(keys.signing, changedHeader, changed)), undefined, title)
  }
  t.ok(tokens.verify(forge(keys.signing, header, { ...payload, exp: seconds - 60 })), 'expired a minute ago')
  t.ok(tokens.verify(forge(keys.signing, header, { ...payload, nbf: seconds + 60 })), 'good in a minute')
})

t.test('a payload that says something twice is read the same way by all who read it', async (t) => {
  const { tokens, keys } = await createBed(t)
  const { header, payload } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  const twice = JSON.stringify(payload).replace('{', '{"iss":"other","access":[],"exp":1,')
  t.strictSame(tokens.verify(forge(keys.signing, header, twice))?.access, ACCESS)
  const reversed = JSON.stringify(payload).replace(/\}$/, ',"iss":"other"}')
  t.equal(tokens.verify(forge(keys.signing, header, reversed)), undefined)
})

t.test('neither the access nor the identity of another token can be put in', async (t) => {
  const { tokens, keys } = await createBed(t)
  const other = partsOf(tokens.issue({ ...ALICE, username: 'root' }, [], LIFE_MS).token).payload
  const same = partsOf(tokens.issue(ALICE, [], LIFE_MS).token).payload
  const { header, payload, signature } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  const changes: Record<string, object> = {
    access: { ...payload, access: [{ ...ACCESS[0], actions: ['*'] }] },
    'more time': { ...payload, exp: payload.exp + 1 },
    "another user's identity": { ...payload, id: other.id },
    "another user's identity and name": { ...payload, id: other.id, sub: other.sub },
    'the identity of the same user': { ...payload, id: same.id }
  }
  for (const [title, changed] of Object.entries(changes)) {
    t.equal(tokens.verify(`${base64url(header)}.${base64url(changed)}.${signature}`), undefined, title)
    // Even to whoever has the key that signs
    if ('id' in changed && changed.id !== payload.id)
      t.equal(tokens.verify(forge(keys.signing, header, changed)), undefined, `${title}, signed`)
  }
  const { id: _, ...rest } = payload
  for (const id of [null, 1, [], '', 'AAAA', payload.id.slice(0, -2)]) {
    t.equal(tokens.verify(forge(keys.signing, header, { ...rest, id })), undefined, JSON.stringify(id))
  }
})

t.test('a token that is cut, lengthened or garbled anywhere is refused, known or not', async (t) => {
  const { tokens } = await createBed(t)
  const { token } = tokens.issue(ALICE, ACCESS, LIFE_MS)
  const { mutate, integer } = createRandom(6)
  for (const isKnown of [false, true]) {
    if (isKnown) t.ok(tokens.verify(token))
    for (let length = 0; length < token.length; length++) {
      if (tokens.verify(token.slice(0, length)) || tokens.verify(token.slice(-length || token.length)))
        t.fail(`${length}`)
    }
    for (let round = 0; round < 5_000; round++) {
      const at = integer(token.length - 2)
      const garbled =
        token.slice(0, at) + mutate(token.slice(at, at + 8), 'aZ09-_.=+/ \n\0é') + token.slice(at + 8)
      // The last character has two bits too many for 32 bytes: it may differ without being another signature
      if (garbled.slice(0, -1) !== token.slice(0, -1) && tokens.verify(garbled)) t.fail(garbled)
    }
    for (const garbled of [
      `${token} `,
      ` ${token}`,
      `${token}\n`,
      `${token}=`,
      `${token}.`,
      `.${token}`,
      `${token}.a`,
      `${token},${token}`
    ]) {
      t.equal(tokens.verify(garbled), undefined, JSON.stringify(garbled.replace(token, 'token')))
    }
  }
})

t.test('a token of 64 KiB is refused, whatever it is made of', async (t) => {
  const { tokens, keys } = await createBed(t)
  const { header, payload } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  const filler = 'a'.repeat(65_536)
  for (const token of [
    filler,
    '.'.repeat(65_536),
    'eyJ'.repeat(21_845),
    `${'['.repeat(65_536)}`,
    base64url('['.repeat(49_152)),
    forge(keys.signing, header, { ...payload, filler }),
    forge(keys.signing, { ...header, kid: filler }, payload),
    forge(keys.signing, { ...header, filler }, payload)
  ]) {
    t.equal(tokens.verify(token), undefined)
    t.type(tokens.isOurs(token), 'boolean')
  }
})

t.test(
  'a token of this or another berth is told from those of others by its header or its issuer',
  async (t) => {
    const { tokens } = await createBed(t)
    const { token } = (await createBed(t, { secret: 'b', issuer: 'berth:htpasswd' })).tokens.issue(
      ALICE,
      [],
      LIFE_MS
    )
    const [header, payload, signature] = token.split('.')
    const foreign = base64url({ alg: 'RS256', kid: 'x' })
    for (const ours of [
      token,
      `${header}`,
      `${header}.`,
      `${header}.!.${signature}`,
      `${foreign}.${payload}.`,
      `x.${payload}`
    ]) {
      t.equal(tokens.isOurs(ours), true, ours)
      t.equal(tokens.verify(ours), undefined)
    }
    const cluster = `${foreign}.${base64url({ iss: 'https://kubernetes.default.svc', aud: ['berth'] })}.AAAA`
    const tricks = [{ iss: ['berth:x'] }, { iss: { startsWith: 1 } }, { iss: null }, [], null, 'berth:'].map(
      (claims) => `${foreign}.${base64url(JSON.stringify(claims))}.AAAA`
    )
    for (const other of [
      '',
      '.',
      '..',
      'sha256~abcdef',
      'anonymous',
      'berth-',
      'berth:',
      cluster,
      ...tricks,
      '\0',
      'é'
    ]) {
      t.equal(tokens.isOurs(other), false, other)
      t.equal(tokens.verify(other), undefined)
    }
  }
)

t.test('after a change of the secret, former tokens stay good for their life, and not longer', async (t) => {
  const { tokens, ring, clock, keys } = await createBed(t)
  const other = await createBed(t, { secret: 'new', clock })
  const { header, payload } = partsOf(tokens.issue(ALICE, ACCESS, LIFE_MS).token)
  const endless = forge(keys.signing, header, { ...payload, exp: payload.exp * 2 })
  t.ok(tokens.verify(endless))
  t.equal(tokens.verify(other.tokens.issue(ALICE, ACCESS, LIFE_MS).token), undefined)
  ring.replace(other.keys)
  t.ok(tokens.verify(other.tokens.issue(ALICE, ACCESS, LIFE_MS).token), 'new keys verify at once')

  clock.now += SETTLE_MS - 1
  const last = tokens.issue(ALICE, ACCESS, LIFE_MS).token
  t.equal(other.tokens.verify(last), undefined, 'still signed with the former key')
  clock.now += 1
  t.ok(other.tokens.verify(tokens.issue(ALICE, ACCESS, LIFE_MS).token), 'signed with the new key')
  clock.now += LIFE_MS
  t.ok(tokens.verify(last))
  t.ok(tokens.verify(endless))
  clock.now += SETTLE_MS + LEEWAY_MS
  t.equal(tokens.verify(endless), undefined, 'remembered, but its key is over')
  const fresh = forge(keys.signing, header, { ...payload, exp: payload.exp * 2, jti: payload.jti })
  t.equal(tokens.verify(fresh), undefined)
})

const WORDS =
  'team platform payments core dev ops data web mobile prod stage admin viewer billing search infra'.split(
    ' '
  )

function namesOfGroups(count: number, makeName: (random: Random) => string): string[] {
  const random = createRandom(7)
  const names = new Set<string>()
  while (names.size < count) names.add(makeName(random))
  return [...names]
}

const ordinaryName = ({ pick }: Random) => [pick(WORDS), pick(WORDS), pick(WORDS)].join('-')

const distinguishedName = ({ pick, integer }: Random) =>
  `CN=${pick(WORDS)}-${pick(WORDS)}-${integer(1_000)},OU=Groups,OU=${pick(WORDS)},DC=corp,DC=example,DC=com`

/** 122 bits of chance each, which nothing makes shorter. */
const uuid = ({ integer }: Random) =>
  'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => integer(16).toString(16))

t.test('a token with 300 groups fits in 8 KiB of header, with random UUIDs for names in 16', async (t) => {
  const { tokens } = await createBed(t)
  const headerOf = (groups: string[]) => {
    const { token } = tokens.issue({ ...ALICE, groups }, ACCESS, LIFE_MS)
    t.strictSame(tokens.verify(token)?.user.groups, groups)
    const { length } = `Authorization: Bearer ${token}\r\n`
    t.comment(`${groups.length} groups such as ${groups[0]}: ${length} bytes of header`)
    return length
  }
  t.ok(headerOf(namesOfGroups(300, ordinaryName)) < 8_192)
  t.ok(headerOf(namesOfGroups(300, distinguishedName)) < 8_192)
  t.ok(headerOf(namesOfGroups(300, uuid)) < 16_384 - 2_048)
})

t.test('an identity too large to send is refused with the reason', async (t) => {
  const { tokens } = await createBed(t)
  const groups = namesOfGroups(1_000, uuid)
  t.throws(() => tokens.issue({ ...ALICE, groups }, ACCESS, LIFE_MS), {
    code: 'DENIED',
    details: [/1000 groups/]
  })
})

t.test('an identity that is large but says little fits all the same', async (t) => {
  const { tokens } = await createBed(t)
  const groups = Array.from({ length: 100_000 }, () => 'the same group')
  t.strictSame(tokens.verify(tokens.issue({ ...ALICE, groups }, [], LIFE_MS).token)?.user.groups, groups)
})

t.test('names of any characters come back as they were', async (t) => {
  const { tokens } = await createBed(t)
  for (const username of [
    '',
    'kube:admin',
    'é\u{1f600}',
    'a"b\\c\r\nd\0',
    '{"iss":"x"}',
    '__proto__',
    'a'.repeat(1_000)
  ]) {
    const user = { username, uid: username, groups: [username], extra: { [`x${username}`]: [username, ''] } }
    t.strictSame(tokens.verify(tokens.issue(user, [], LIFE_MS).token)?.user, user, JSON.stringify(username))
  }
})

t.test(
  'what @fastify/jwt throws for another reason than the token is not taken for a bad token',
  async (t) => {
    const { ring, tokens, sign } = await createBed(t)
    const broken = createTokens({
      keys: ring,
      issuer: ISSUER,
      sign,
      verify: () => {
        throw new TypeError('a mistake')
      }
    })
    t.throws(() => broken.verify(tokens.issue(ALICE, [], LIFE_MS).token), { message: 'a mistake' })
  }
)
