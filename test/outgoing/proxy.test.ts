import t from 'tap'
import { parseProxy, proxyFor, shownProxy } from '../../src/outgoing/proxy.ts'

const PROXY = 'http://proxy.example.com:3128'

const isReached = (noProxy: string, url: string): 'directly' | 'by proxy' =>
  proxyFor(new URL(url), { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: noProxy }) === undefined
    ? 'directly'
    : 'by proxy'

t.test('what NO_PROXY excepts', async (t) => {
  const cases: [string, string[], string[]][] = [
    [
      '',
      ['https://127.0.0.1', 'https://127.1.2.3', 'https://localhost:6443', 'https://[::1]'],
      ['https://example.com', 'https://10.0.0.1']
    ],
    ['*', ['https://example.com', 'http://10.0.0.1', 'https://[fd00::1]'], []],
    [
      'example.com',
      ['https://example.com', 'https://a.b.example.com', 'https://EXAMPLE.com', 'https://example.com.'],
      ['https://notexample.com', 'https://example.com.evil.org', 'https://com']
    ],
    ['.example.com', ['https://a.example.com'], ['https://example.com', 'https://aexample.com']],
    ['*.example.com', ['https://a.example.com', 'https://a.b.example.com'], ['https://example.com']],
    ['Example.COM', ['https://example.com'], []],
    [
      '.svc',
      ['https://kubernetes.default.svc', 'https://kubernetes.default.svc:443'],
      ['https://svc', 'https://kubernetes.default.svc.org']
    ],
    [
      '10.0.0.0/16',
      ['https://10.0.0.1', 'https://10.0.255.1:6443'],
      ['https://10.1.0.1', 'https://10.0.0.1.example.com', 'https://[fd00::1]']
    ],
    ['172.30.0.1', ['https://172.30.0.1', 'https://172.30.0.1:443'], ['https://172.30.0.10']],
    ['fd00::/8', ['https://[fd00::1]', 'https://[fdff::1]:6443'], ['https://[fe00::1]', 'https://10.0.0.1']],
    ['fd00:0:0::1', ['https://[fd00::1]:6443'], ['https://[fd00::2]']],
    [
      'example.com:8443',
      ['https://example.com:8443', 'https://a.example.com:8443'],
      ['https://example.com', 'https://example.com:443']
    ],
    ['example.com:443', ['https://example.com'], ['http://example.com']],
    ['10.0.0.1:6443', ['https://10.0.0.1:6443'], ['https://10.0.0.1']],
    ['[fd00::1]:6443', ['https://[fd00::1]:6443'], ['https://[fd00::1]']],
    [
      ' .cluster.local , .svc,10.0.0.0/16,,',
      ['https://a.cluster.local', 'https://a.svc', 'https://10.0.0.1'],
      ['https://example.com']
    ],
    [
      '10.0.0.0/33,fd00::/129,/8,10.0.0/8,:443,.',
      [],
      ['https://10.0.0.1', 'https://[fd00::1]', 'https://example.com']
    ]
  ]
  for (const [noProxy, directly, others] of cases) {
    for (const url of directly) t.equal(isReached(noProxy, url), 'directly', `${noProxy}: ${url}`)
    for (const url of others) t.equal(isReached(noProxy, url), 'by proxy', `${noProxy}: ${url}`)
  }
})

t.test('which variable counts', async (t) => {
  const cases: [Record<string, string>, string, string | undefined][] = [
    [{ HTTPS_PROXY: 'http://a' }, 'https://x', 'http://a/ HTTPS_PROXY'],
    [{ https_proxy: 'http://a' }, 'https://x', 'http://a/ https_proxy'],
    [{ HTTPS_PROXY: 'http://a', https_proxy: 'http://b' }, 'https://x', 'http://a/ HTTPS_PROXY'],
    [{ HTTP_PROXY: 'http://a' }, 'https://x', undefined],
    [{ HTTPS_PROXY: 'http://a' }, 'http://x', undefined],
    [{ HTTP_PROXY: 'http://a' }, 'http://x', 'http://a/ HTTP_PROXY'],
    [{ HTTPS_PROXY: '', https_proxy: 'http://b' }, 'https://x', 'http://b/ https_proxy'],
    [{ HTTPS_PROXY: 'http://a', no_proxy: 'x' }, 'https://x', undefined],
    [{ HTTPS_PROXY: 'http://a', NO_PROXY: 'y', no_proxy: 'x' }, 'https://x', 'http://a/ HTTPS_PROXY']
  ]
  for (const [env, url, expected] of cases) {
    const proxy = proxyFor(new URL(url), env)
    t.equal(proxy && `${proxy.url} ${proxy.origin}`, expected, JSON.stringify(env))
  }
})

t.test('a proxy is a URL of HTTP, and its password is never told', async (t) => {
  const good: [string, string][] = [
    ['proxy.example.com:3128', 'http://proxy.example.com:3128/'],
    ['https://proxy.example.com', 'https://proxy.example.com/'],
    ['http://user:p%40ss@[fd00::1]:3128', 'http://user:p%40ss@[fd00::1]:3128/']
  ]
  for (const [text, url] of good) t.equal(parseProxy(text, 'HTTPS_PROXY').url, url)
  t.equal(
    shownProxy(parseProxy('http://user:hush@proxy:3128', 'HTTPS_PROXY')),
    'http://proxy:3128 (HTTPS_PROXY)'
  )
  for (const text of [
    'socks5://user:hush@proxy',
    'http://',
    'http://user:hush%@proxy',
    'hush hush',
    'http://proxy:hush'
  ]) {
    let message = ''
    try {
      parseProxy(text, 'HTTPS_PROXY')
    } catch (error) {
      message = (error as Error).message
    }
    t.match(message, /^HTTPS_PROXY must be the URL of an HTTP proxy/, text)
    t.notMatch(message, 'hush', text)
  }
})
