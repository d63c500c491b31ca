import t from 'tap'
import { hashOf } from '../../../storage/s3/bodies.ts'
import { createSigner, encodedPath, queryText, UNSIGNED_PAYLOAD } from '../../../storage/s3/signing.ts'

// Of the examples in Amazon S3's API reference, "Authenticating Requests".
const KEYS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
}
const DATE = new Date('2013-05-24T00:00:00Z')
const HOST = 'examplebucket.s3.amazonaws.com'

t.test('the signatures are those of Amazon’s examples', (t) => {
  const signer = createSigner('us-east-1')
  const none = hashOf([])
  const cases: [string, Parameters<typeof signer.headersOf>[0]][] = [
    [
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      {
        method: 'GET',
        host: HOST,
        path: '/test.txt',
        query: '',
        headers: { range: 'bytes=0-9' },
        payload: none
      }
    ],
    [
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      {
        method: 'PUT',
        host: HOST,
        path: encodedPath('/test$file.text'),
        query: '',
        headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
        payload: hashOf([Buffer.from('Welcome to '), Buffer.from('Amazon S3.')])
      }
    ],
    [
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
      {
        method: 'GET',
        host: HOST,
        path: '/',
        query: queryText({ lifecycle: '' }),
        headers: {},
        payload: none
      }
    ],
    [
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
      {
        method: 'GET',
        host: HOST,
        path: '/',
        query: queryText({ prefix: 'J', 'max-keys': 2 }),
        headers: {},
        payload: none
      }
    ]
  ]
  for (const [signature, request] of cases) {
    const { authorization = '' } = signer.headersOf(request, KEYS, DATE)
    t.ok(authorization.endsWith(`Signature=${signature}`), authorization)
  }
  const query = signer.queryOf({ host: HOST, path: '/test.txt' }, {}, KEYS, DATE, 86_400)
  t.match(query, /&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404$/)
  t.end()
})

t.test('a token, another day and another key are signed as well', (t) => {
  const signer = createSigner('eu-west-1')
  const request = { method: 'GET', host: HOST, path: '/k', query: '', headers: {}, payload: UNSIGNED_PAYLOAD }
  const signatureOf = (keys: object, date: Date): string =>
    signer.headersOf(request, { ...KEYS, ...keys }, date).authorization ?? ''
  const next = new Date('2013-05-25T00:00:00Z')
  const all = [
    signatureOf({}, DATE),
    signatureOf({}, next),
    signatureOf({ secretAccessKey: 'other' }, next),
    signatureOf({ sessionToken: 'token' }, DATE)
  ]
  t.equal(new Set(all).size, all.length)
  t.equal(signatureOf({}, DATE), all[0])
  t.match(all.at(-1), /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/)
  t.end()
})

t.test('spaces in a header count as one, which the store makes of them as well', (t) => {
  const signer = createSigner('eu-west-1')
  const signatureOf = (value: string): string | undefined => {
    const headers = { 'x-amz-meta-of': value }
    const request = { method: 'GET', host: HOST, path: '/k', query: '', headers, payload: UNSIGNED_PAYLOAD }
    return signer.headersOf(request, KEYS, DATE).authorization
  }
  t.equal(signatureOf(' a   b '), signatureOf('a b'))
  t.not(signatureOf('ab'), signatureOf('a b'))
  t.end()
})

t.test('keys and queries are encoded as the signature wants them', (t) => {
  t.equal(encodedPath("a/@b c/é'(!)*~_-.:%2F"), 'a/%40b%20c/%C3%A9%27%28%21%29%2A~_-.%3A%252F')
  t.equal(queryText({ b: 'x y', a: undefined, B: 1, 'a-b': '/' }), 'B=1&a-b=%2F&b=x%20y')
  t.end()
})
