import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { parseKubeconfig, readKubeconfig } from '../../src/kubernetes/kubeconfig.ts'

const PATH = '/etc/berth/kubeconfig'
const base64 = (text: string): string => Buffer.from(text).toString('base64')

type Fields = Record<string, unknown>

/** A kubeconfig with these in place of, or beside, what is usual. */
function kubeconfig({
  cluster = {},
  user = {},
  top = {}
}: {
  cluster?: Fields
  user?: Fields
  top?: Fields
}) {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    contexts: [
      { name: 'there', context: { cluster: 'c2', user: 'u2' } },
      { name: 'here', context: { cluster: 'c1', user: 'u1', namespace: 'team' } }
    ],
    clusters: [
      { name: 'c2', cluster: { server: 'https://other.example.org' } },
      { name: 'c1', cluster: { server: 'https://api.example.org:6443', ...cluster } }
    ],
    users: [
      { name: 'u2', user: { token: 'another' } },
      { name: 'u1', user },
      { name: 'cloud', user: { exec: { command: 'aws' } } }
    ],
    ...top
  }
}

t.test('a kubeconfig says where the API server is and who we are', async (t) => {
  const field = (name: string) => `${PATH}: user "u1": "${name}"`
  const ofCluster = (name: string) => `${PATH}: cluster "c1": "${name}"`
  const token = { token: 's3cret' }
  const tokenSource = { token: { text: 's3cret', field: field('token') } }
  const cases: [string, { cluster?: Fields; user?: Fields }, Fields][] = [
    ['a token', { user: token }, tokenSource],
    [
      'a token file beside the kubeconfig, which is preferred to a token',
      { user: { ...token, tokenFile: 'sub/token' } },
      { token: { path: '/etc/berth/sub/token', field: field('tokenFile') } }
    ],
    [
      'a token file elsewhere',
      { user: { tokenFile: '/run/token' } },
      { token: { path: '/run/token', field: field('tokenFile') } }
    ],
    [
      'client certificate files',
      { user: { 'client-certificate': 'a.crt', 'client-key': '../a.key' } },
      {
        cert: { path: '/etc/berth/a.crt', field: field('client-certificate') },
        key: { path: '/etc/a.key', field: field('client-key') }
      }
    ],
    [
      'a client certificate in the file itself, which is preferred to files',
      {
        user: {
          'client-certificate': 'a.crt',
          'client-certificate-data': base64('CERT'),
          'client-key-data': base64('KEY')
        }
      },
      {
        cert: { text: 'CERT', field: field('client-certificate-data') },
        key: { text: 'KEY', field: field('client-key-data') }
      }
    ],
    [
      'an authority in a file, and the name of the server in its certificate',
      { user: token, cluster: { 'certificate-authority': 'ca.crt', 'tls-server-name': 'kubernetes' } },
      {
        ...tokenSource,
        ca: { path: '/etc/berth/ca.crt', field: ofCluster('certificate-authority') },
        serverName: 'kubernetes'
      }
    ],
    [
      'an authority in the file itself',
      { user: token, cluster: { 'certificate-authority-data': base64('CA') } },
      { ...tokenSource, ca: { text: 'CA', field: ofCluster('certificate-authority-data') } }
    ],
    [
      'no check of the certificate',
      { user: token, cluster: { 'insecure-skip-tls-verify': true } },
      { ...tokenSource, isInsecure: true }
    ],
    [
      'fields that are there and empty are as if they were not',
      { user: { ...token, username: '', exec: null, tokenFile: '' }, cluster: { 'proxy-url': '' } },
      tokenSource
    ]
  ]
  for (const [title, parts, expected] of cases) {
    const whole = { url: 'https://api.example.org:6443', origin: PATH, isInsecure: false, ...expected }
    t.strictSame(await parseKubeconfig(stringify(kubeconfig(parts)), PATH), whole, `${title}, YAML`)
    t.strictSame(await parseKubeconfig(JSON.stringify(kubeconfig(parts)), PATH), whole, `${title}, JSON`)
  }
})

t.test('the address of the server may have a path or be IPv6, and loses what means nothing', async (t) => {
  const cases = [
    ['https://[fd00::1]:6443/', 'https://[fd00::1]:6443'],
    ['https://rancher.example.org/k8s/clusters/c-1/', 'https://rancher.example.org/k8s/clusters/c-1'],
    ['https://api.example.org:443', 'https://api.example.org'],
    ['HTTPS://API.example.org:6443', 'https://api.example.org:6443']
  ] as const
  for (const [server, url] of cases) {
    const text = JSON.stringify(kubeconfig({ user: { token: 'a' }, cluster: { server } }))
    t.equal((await parseKubeconfig(text, PATH)).url, url)
  }
})

async function refuses(t: Test, text: string, message: RegExp) {
  const error: Error = await parseKubeconfig(text, PATH).then(
    () => t.fail(`taken: ${text}`) as never,
    (error) => error
  )
  t.equal(error.name, 'ConnectionError')
  t.match(error.message, message)
  t.ok(error.message.startsWith(PATH), 'the message begins with the file')
  t.notMatch(error.message, 's3cret', 'the message holds no credential')
}

t.test('what berth does not do is refused, with what to do instead', async (t) => {
  const user = { token: 's3cret' }
  const cases: [Parameters<typeof kubeconfig>[0], RegExp][] = [
    [{ user: { exec: { command: 'aws' } } }, /user "u1": "exec" is not supported\. .*"tokenFile"/],
    [
      { user: { 'auth-provider': { name: 'oidc' } } },
      /"auth-provider" is not supported\. .*kubectl create token/
    ],
    [
      { user: { username: 'admin', password: 's3cret' } },
      /"username" is not supported\. API servers take no/
    ],
    [{ user: { ...user, as: 'root' } }, /"as" is not supported\. berth does not impersonate/],
    [{ user: { ...user, 'as-groups': ['system:masters'] } }, /"as-groups" is not supported/],
    [
      { user, cluster: { 'proxy-url': 'socks5://s3cret@proxy' } },
      /cluster "c1": "proxy-url" must be the URL of an HTTP proxy/
    ]
  ]
  for (const [parts, message] of cases) await refuses(t, stringify(kubeconfig(parts)), message)
})

t.test('a kubeconfig that lacks something says what', async (t) => {
  const user = { token: 's3cret' }
  const cases: [Parameters<typeof kubeconfig>[0], RegExp][] = [
    [
      { user, top: { 'current-context': undefined } },
      /"current-context" is missing: kubectl config use-context/
    ],
    [{ user, top: { 'current-context': 7 } }, /"current-context" must be text/],
    [{ user, top: { 'current-context': 'gone' } }, /"contexts" has no entry named "gone"/],
    [{ user, top: { contexts: undefined } }, /"contexts" has no entry named "here"/],
    [{ user, top: { contexts: { here: {} } } }, /"contexts" has no entry named "here"/],
    [{ user, top: { contexts: [null, 'here', { name: 'here' }] } }, /no entry named "here" with a "context"/],
    [
      { user, top: { contexts: [{ name: 'here', context: {} }] } },
      /context "here": "cluster" is missing: add/
    ],
    [
      { user, top: { contexts: [{ name: 'here', context: { cluster: 'c1' } }] } },
      /context "here": "user" is missing: add/
    ],
    [{ user, top: { clusters: [] } }, /"clusters" has no entry named "c1"/],
    [{ user, top: { users: null } }, /"users" has no entry named "u1"/],
    [{ user: {} }, /user "u1" has no credentials: add a "tokenFile"/],
    [{ user: { 'client-certificate': 'a.crt' } }, /user "u1": "client-key" or "client-key-data" is missing/],
    [{ user: { 'client-key-data': base64('s3cret') } }, /"client-certificate" or .* is missing/],
    [{ user: { token: ['s3cret'] } }, /user "u1": "token" must be text/],
    [{ user, cluster: { server: undefined } }, /cluster "c1": "server" must be the address/],
    [{ user, cluster: { server: 'api.example.org:6443' } }, /"server" must be the address/],
    [{ user, cluster: { server: 'http://localhost:8001' } }, /"server" must be .* https:/],
    [{ user, cluster: { server: 'https://admin:s3cret@api' } }, /"server" must be the address/],
    [{ user, cluster: { server: 'https://admin@api' } }, /"server" must be the address/],
    [{ user, cluster: { server: 'https://:s3cret@api' } }, /"server" must be the address/],
    [{ user, cluster: { server: 'https://api/?a=1' } }, /"server" must be the address/],
    [
      { user, cluster: { 'insecure-skip-tls-verify': 'yes' } },
      /"insecure-skip-tls-verify" must be true or false/
    ],
    [
      { user, cluster: { 'insecure-skip-tls-verify': true, 'certificate-authority': 'ca.crt' } },
      /exclude each other: remove the former/
    ]
  ]
  for (const [parts, message] of cases) await refuses(t, stringify(kubeconfig(parts)), message)
})

t.test('text that is no kubeconfig is refused by line, without quoting it', async (t) => {
  const cases: [string, RegExp][] = [
    ['', /not a kubeconfig: it needs "clusters"/],
    ['just text', /not a kubeconfig/],
    ['- a\n- b', /not a kubeconfig/],
    ['users:\n  - name: "u1\n  s3cret', /line \d is not valid YAML or JSON \([A-Z_]+\): correct it/],
    ['{"token": "s3cret",, }', /line 1 is not valid YAML or JSON/],
    ['token: s3cret\ntoken: s3cret', /line 2 is not valid YAML or JSON \(DUPLICATE_KEY\)/],
    ['users: *nowhere', /line 1 is not valid|aliases cannot be resolved/],
    [
      `a: &a [s3cret, s3cret]\n${[...'bcdefghij'].map((c, i) => `${c}: &${c} [${`*${'abcdefghi'[i]}, `.repeat(9)}]`).join('\n')}`,
      /aliases cannot be resolved: write the values out/
    ]
  ]
  for (const [text, message] of cases) await refuses(t, text, message)
})

t.test('a kubeconfig that cannot be read says so', async (t) => {
  await t.rejects(readKubeconfig('/nowhere/config'), {
    name: 'ConnectionError',
    message: /^\/nowhere\/config cannot be read \(ENOENT\): correct the path/
  })
  await t.rejects(readKubeconfig(t.testdir({})), { message: /cannot be read \(EISDIR\)/ })
})
