import t from 'tap'
import { type Hop, parseForwarded } from '../../src/auth/forwarded.ts'
import { createRandom } from '../oci/random.ts'

/** Most of them from RFC 7239 sections 4 and 5; undefined for what is malformed. */
const CASES: [header: string | undefined, hops: Hop[] | undefined][] = [
  [undefined, [{}]],
  ['', [{}]],
  ['for="_gazonk"', [{ for: '_gazonk' }]],
  ['For="[2001:db8:cafe::17]:4711"', [{ for: '[2001:db8:cafe::17]:4711' }]],
  ['for=192.0.2.60;proto=http;by=203.0.113.43', [{ for: '192.0.2.60', proto: 'http' }]],
  ['for=192.0.2.43, for=198.51.100.17', [{ for: '192.0.2.43' }, { for: '198.51.100.17' }]],
  [
    'for=192.0.2.43,FOR="[2001:db8::17]" ,\tfor=unknown',
    [{ for: '192.0.2.43' }, { for: '[2001:db8::17]' }, { for: 'unknown' }]
  ],
  ['host="a:5000";proto=https', [{ host: 'a:5000', proto: 'https' }]],
  ['host="a,b;c=d";proto=https', [{ host: 'a,b;c=d', proto: 'https' }]],
  ['host="a\\"b\\\\c"', [{ host: 'a"b\\c' }]],
  ['host=""', [{ host: '' }]],
  ['by=a;secret="x y"', [{}]],
  ['host=a;', [{ host: 'a' }]],
  ['host=a,', [{ host: 'a' }, {}]],
  [',host=a', [{}, { host: 'a' }]],
  ['host=a:5000', undefined],
  ['for=[::1]', undefined],
  ['host="a', undefined],
  ['host="a"b', undefined],
  ['host="a\\"', undefined],
  ['host', undefined],
  ['host=', undefined],
  ['=a', undefined],
  ['host =a', undefined],
  ['host= a', undefined],
  ['host=a host=b', undefined],
  ['host=a;host=b', undefined],
  ['host=é', undefined],
  ['host=a;;;proto=b', [{ host: 'a', proto: 'b' }]]
]

t.test('Forwarded is read as RFC 7239 says', async (t) => {
  for (const [header, hops] of CASES) t.strictSame(parseForwarded(header), hops, String(header))
})

t.test('a hostile header is read at once', async (t) => {
  for (const unit of [' ', ',', ';', 'a', '"', '\\', 'a=', 'a="', 'a="\\', 'a=b,', ' ;\t']) {
    for (const end of ['', 'é', '"', '=']) {
      const header = unit.repeat(100_000) + end
      t.ok((parseForwarded(header)?.length ?? 0) <= 100_001)
    }
  }
})

t.test('what is quoted cannot add a hop or a pair', async (t) => {
  const { mutate, pick } = createRandom(8)
  for (let round = 0; round < 10_000; round++) {
    const text = mutate(pick(['a', 'a,host=b', 'a;proto=c', 'a"b', 'a\\']), '",;=\\ hostpr')
    const quoted = `"${text.replace(/["\\]/g, '\\$&')}"`
    const hops = parseForwarded(`host=${quoted};proto=https`)
    if (hops?.length !== 1 || hops[0]?.host !== text || hops[0].proto !== 'https') t.fail(quoted)
  }
})
