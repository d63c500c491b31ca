import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import { createExternalOrigin } from '../../src/auth/external-origin.ts'
import { createRandom } from '../oci/random.ts'

const PROXY = '10.1.2.3'
const OTHER = '192.0.2.1'
const { origin, clientAddress } = createExternalOrigin({
  trustedProxies: ['10.0.0.0/8', 'fd00::/8', '198.51.100.7']
})

/** Of a request that came from a trusted proxy without TLS, for a host within. */
const behindProxy = (headers: IncomingHttpHeaders, remoteAddress: string | undefined = PROXY) =>
  origin({ headers: { host: 'within:5000', ...headers }, remoteAddress, encrypted: false })

const HOSTS: [host: string, plain: string | undefined, encrypted: string | undefined][] = [
  ['registry.example.com', 'http://registry.example.com', 'https://registry.example.com'],
  ['registry.example.com:5000', 'http://registry.example.com:5000', 'https://registry.example.com:5000'],
  ['Registry.Example.com.', 'http://Registry.Example.com.', 'https://Registry.Example.com.'],
  ['localhost:80', 'http://localhost:80', 'https://localhost:80'],
  ['localhost:443', 'https://localhost:443', 'https://localhost:443'],
  ['image_registry:5000', 'http://image_registry:5000', 'https://image_registry:5000'],
  ['192.0.2.7:5000', 'http://192.0.2.7:5000', 'https://192.0.2.7:5000'],
  ['[2001:db8::1]', 'http://[2001:db8::1]', 'https://[2001:db8::1]'],
  ['[2001:db8::1]:5000', 'http://[2001:db8::1]:5000', 'https://[2001:db8::1]:5000'],
  ['[::ffff:192.0.2.7]:5000', 'http://[::ffff:192.0.2.7]:5000', 'https://[::ffff:192.0.2.7]:5000'],
  ['2001:db8::1', 'http://[2001:db8::1]', 'https://[2001:db8::1]'],
  ['a:', 'http://a', 'https://a'],
  ['[::1]:', 'http://[::1]', 'https://[::1]'],
  ['a:65535', 'http://a:65535', 'https://a:65535'],
  ...[
    '',
    ' ',
    ':5000',
    'a:65536',
    'a:99999999',
    'a:-1',
    'a:b',
    'a:1:2',
    'a/b',
    'a?b',
    'a#b',
    'a@b',
    'user:password@a',
    'a b',
    'a,b',
    'a"b',
    'a\\b',
    'a\r\nb',
    'a%41',
    'é',
    '[]',
    '[::1',
    '::1]',
    '[::1]5000',
    '[::g]',
    '[1.2.3.4]',
    '[fe80::1%eth0]',
    'fe80::1%eth0',
    '1.2.3.4.5',
    '256.1.1.1',
    'http://a',
    'a'.repeat(254)
  ].map((host): [string, undefined, undefined] => [host, undefined, undefined])
]

t.test('without a proxy the client came by the host it names', async (t) => {
  for (const [host, plain, encrypted] of HOSTS) {
    t.equal(origin({ headers: { host }, remoteAddress: OTHER, encrypted: false }), plain, host)
    t.equal(origin({ headers: { host }, remoteAddress: OTHER, encrypted: true }), encrypted, host)
  }
  t.equal(origin({ headers: {}, remoteAddress: OTHER, encrypted: true }), undefined)
})

t.test('forwarding headers of anybody but a trusted proxy are not looked at', async (t) => {
  const spoofed = {
    'x-forwarded-host': 'evil.example.com',
    'x-forwarded-port': '666',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example.com;proto=https'
  }
  for (const address of [
    OTHER,
    '11.0.0.1',
    '::ffff:192.0.2.1',
    '2001:db8::1',
    'fe80::1%eth0',
    '::1',
    '198.51.100.8',
    'fc00::1'
  ]) {
    t.equal(behindProxy(spoofed, address), 'http://within:5000', address)
  }
  const nobody = createExternalOrigin({ trustedProxies: [] })
  const request = { headers: { host: 'within:5000', ...spoofed }, remoteAddress: PROXY, encrypted: false }
  t.equal(nobody.origin(request), 'http://within:5000')
  t.equal(nobody.origin({ ...request, remoteAddress: undefined }), 'http://within:5000')
  t.equal(origin({ ...request, remoteAddress: undefined }), 'http://within:5000')
})

t.test('trusted proxies are known by address or network, in both forms of an IPv4 address', async (t) => {
  for (const address of [
    '10.0.0.0',
    '10.255.255.255',
    '::ffff:10.1.2.3',
    '::FFFF:10.1.2.3',
    'fd00::1',
    'fd12:3456::1%eth0',
    '198.51.100.7'
  ]) {
    t.equal(behindProxy({ 'x-forwarded-host': 'a' }, address), 'http://a', address)
  }
  const mapped = createExternalOrigin({ trustedProxies: ['::ffff:10.0.0.0/104'] })
  const request = { headers: { host: 'b', 'x-forwarded-host': 'a' }, encrypted: false }
  t.equal(mapped.origin({ ...request, remoteAddress: '10.1.2.3' }), 'http://a')
  t.equal(mapped.origin({ ...request, remoteAddress: '11.1.2.3' }), 'http://b')
})

const FORWARDED: [headers: IncomingHttpHeaders, expected: string | undefined][] = [
  [{}, 'http://within:5000'],
  [{ 'x-forwarded-proto': 'https' }, 'https://within:5000'],
  [{ 'x-forwarded-host': 'a' }, 'http://a'],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-proto': 'https' }, 'https://a'],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-proto': 'HTTPS' }, 'https://a'],
  [{ 'x-forwarded-host': ' a , b', 'x-forwarded-proto': 'https, http' }, 'https://a'],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-port': '443' }, 'https://a'],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-port': '443', 'x-forwarded-proto': 'https' }, 'https://a'],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-port': '80', 'x-forwarded-proto': 'http' }, 'http://a'],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-port': '80', 'x-forwarded-proto': 'https' }, 'https://a:80'],
  [
    { 'x-forwarded-host': 'a', 'x-forwarded-port': '8443, 80', 'x-forwarded-proto': 'https' },
    'https://a:8443'
  ],
  [{ 'x-forwarded-host': 'a:1', 'x-forwarded-port': '2', 'x-forwarded-proto': 'https' }, 'https://a:2'],
  [{ 'x-forwarded-host': 'a:443', 'x-forwarded-proto': 'https' }, 'https://a:443'],
  [{ 'x-forwarded-port': '8443' }, 'http://within:5000'],
  [{ 'x-forwarded-host': '[2001:db8::1]:5000' }, 'http://[2001:db8::1]:5000'],
  [{ 'x-forwarded-host': '2001:db8::1', 'x-forwarded-port': '5000' }, 'http://[2001:db8::1]:5000'],
  [{ 'x-forwarded-host': '[2001:db8::1]', 'x-forwarded-port': '443' }, 'https://[2001:db8::1]'],
  [{ 'x-forwarded-host': '', 'x-forwarded-proto': '', 'x-forwarded-port': '' }, 'http://within:5000'],
  [{ forwarded: 'host=a;proto=https' }, 'https://a'],
  [{ forwarded: 'for=192.0.2.1;HOST="a:5000";Proto=HTTPS, host=b;proto=http' }, 'https://a:5000'],
  [{ forwarded: 'for=192.0.2.1, for=10.0.0.1;host=b;proto=https' }, 'https://b'],
  [{ forwarded: 'host="[2001:db8::1]:5000"' }, 'http://[2001:db8::1]:5000'],
  [{ forwarded: 'host="a\\:5000";proto="https"' }, 'https://a:5000'],
  [{ forwarded: 'proto=https' }, 'https://within:5000'],
  [{ forwarded: 'host=a;proto=http', 'x-forwarded-host': 'b', 'x-forwarded-proto': 'https' }, 'https://b'],
  [{ forwarded: 'host=a;proto=https', 'x-forwarded-host': 'b' }, 'https://b'],
  [{ 'x-forwarded-host': 'a b' }, undefined],
  [{ 'x-forwarded-host': 'a/b' }, undefined],
  [{ 'x-forwarded-host': 'https://a' }, undefined],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-port': 'b' }, undefined],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-port': '65536' }, undefined],
  [{ 'x-forwarded-host': 'a', 'x-forwarded-proto': 'wss' }, undefined],
  [{ 'x-forwarded-proto': 'https"' }, undefined],
  [{ forwarded: 'host=a:5000' }, undefined],
  [{ forwarded: 'nonsense' }, undefined],
  [{ forwarded: 'host="a\\"b"' }, undefined],
  [{ forwarded: 'host="evil.example.com/"' }, undefined],
  [{ forwarded: 'host=a;proto=javascript' }, undefined]
]

t.test('a trusted proxy says by which host, port and scheme the client came', async (t) => {
  for (const [headers, expected] of FORWARDED)
    t.equal(behindProxy(headers), expected, JSON.stringify(headers))
})

t.test('where the registry itself has TLS, a proxy may say otherwise', async (t) => {
  const request = { remoteAddress: PROXY, encrypted: true }
  t.equal(origin({ ...request, headers: { host: 'a', 'x-forwarded-host': 'b' } }), 'https://b')
  t.equal(origin({ ...request, headers: { host: 'a', 'x-forwarded-proto': 'http' } }), 'http://a')
})

t.test('whatever the headers say, the origin is a URL that names a host and nothing else', async (t) => {
  const { mutate, pick } = createRandom(9)
  const seeds = HOSTS.map(([host]) => host)
  let found = 0
  for (let round = 0; round < 20_000; round++) {
    const make = (texts: string[]) => mutate(pick(texts), '":/@?#\\,;=[]%. \r\né0a-')
    const headers = {
      host: make(seeds),
      'x-forwarded-host': make(seeds),
      'x-forwarded-port': make(['80', '443', '5000', '']),
      'x-forwarded-proto': make(['http', 'https', ''])
    }
    const shown = behindProxy(headers)
    if (shown === undefined) continue
    found++
    const { href, username, pathname } = new URL(shown)
    const isPlain = /^https?:\/\/(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(shown)
    if (!isPlain || username !== '' || pathname !== '/' || !href.endsWith('/'))
      t.fail(JSON.stringify({ headers, shown }))
  }
  t.ok(found > 500, `${found} origins found`)
})

t.test('a token realm that is configured wins over everything', async (t) => {
  const fixed = createExternalOrigin({
    trustedProxies: ['10.0.0.0/8'],
    tokenRealm: 'https://registry.example.com:8443'
  })
  for (const host of ['a', 'a b', undefined]) {
    const headers = { host, 'x-forwarded-host': 'evil.example.com' }
    t.equal(
      fixed.origin({ headers, remoteAddress: PROXY, encrypted: false }),
      'https://registry.example.com:8443'
    )
  }
})

const from = (headers: IncomingHttpHeaders, remoteAddress: string | undefined = PROXY) =>
  clientAddress({ headers, remoteAddress, encrypted: false })

const CHAINS: [chain: string, expected: string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1:4711', '192.0.2.1'],
  ['192.0.2.9, 192.0.2.1', '192.0.2.1'],
  ['192.0.2.1, 10.0.0.1, 198.51.100.7', '192.0.2.1'],
  ['6.6.6.6, 192.0.2.1,10.0.0.1', '192.0.2.1'],
  ['10.9.9.9, 10.0.0.1', '10.9.9.9'],
  ['2001:db8::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:4711, fd00::1', '2001:db8::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['[::ffff:c000:201]:4711, ::ffff:a00:1', '192.0.2.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['', PROXY],
  ['unknown', PROXY],
  ['_hidden', PROXY],
  ['192.0.2.1, unknown', PROXY],
  ['192.0.2.1, unknown, 10.0.0.1', '10.0.0.1'],
  ['192.0.2.1,', PROXY],
  ['192.0.2.1 192.0.2.2', PROXY],
  ['256.1.1.1', PROXY]
]

t.test('a client is the nearest peer that is no trusted proxy', async (t) => {
  for (const [chain, expected] of CHAINS) {
    t.equal(from({ 'x-forwarded-for': chain }), expected, chain)
    const hops = chain.split(',').map((hop) => `for="${hop.trim()}";proto=http`)
    t.equal(from({ forwarded: hops.join(', ') }), expected, hops.join(', '))
  }
  t.equal(from({ 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.2' }), '192.0.2.1')
  t.equal(from({ forwarded: 'nonsense' }), PROXY)
  t.equal(from({}), PROXY)
})

t.test('who is no trusted proxy is the client, whatever it says', async (t) => {
  const spoofed = { 'x-forwarded-for': '192.0.2.2', forwarded: 'for=192.0.2.3' }
  t.equal(from(spoofed, OTHER), OTHER)
  t.equal(from(spoofed, `::ffff:${OTHER}`), OTHER)
  t.equal(from(spoofed, '2001:db8::1'), '2001:db8::1')
  t.equal(clientAddress({ headers: spoofed, remoteAddress: undefined, encrypted: false }), undefined)
})
