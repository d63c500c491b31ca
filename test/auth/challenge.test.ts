import t from 'tap'
import { challenge } from '../../src/auth/challenge.ts'
import { createRandom } from '../oci/random.ts'

const realm = 'https://registry.example.com/openshift/token'

t.test('a challenge says where to get a token, for what, and what was wrong (A-01, A-04)', async (t) => {
  t.equal(challenge({ realm }), `Bearer realm="${realm}",service="berth"`)
  t.equal(
    challenge({ realm, scope: 'repository:a:pull,push repository:b:pull', error: 'insufficient_scope' }),
    `Bearer realm="${realm}",service="berth",scope="repository:a:pull,push repository:b:pull",error="insufficient_scope"`
  )
  t.equal(
    challenge({ realm, error: 'invalid_token' }),
    `Bearer realm="${realm}",service="berth",error="invalid_token"`
  )
  t.equal(challenge({ realm, scope: '' }), challenge({ realm }))
})

t.test('nothing breaks out of its quotes, or of the header', async (t) => {
  const { mutate, pick } = createRandom(5)
  const hostile = [
    'a"',
    'a\\',
    'a",realm="https://evil.example.com',
    'a\r\nSet-Cookie: b',
    'a\0',
    'é',
    '\u{1f600}',
    '\x7f'
  ]
  for (let round = 0; round < 5_000; round++) {
    const header = challenge({
      realm: `https://${mutate(pick([realm, ...hostile]), '"\\\r\n,=')}`,
      scope: `a${mutate(pick(hostile), '"\\\r\n,=')}`
    })
    if (!/^Bearer realm="[ !#-[\]-~]*",service="berth",scope="[ !#-[\]-~]+"$/.test(header)) t.fail(header)
  }
})
