import t from 'tap'
import { parseCommand } from '../../src/config/command.ts'
import { printConfig } from '../../src/config/print.ts'
import { readConfig } from '../../src/config/read.ts'
import { fileWith } from './problems.ts'

t.test('what holds is printed with the origin of each value, and without secrets', async (t) => {
  const file = fileWith(
    t,
    'version: 0.1\nhttp: {addr: ":5000", secret: hunter2-hunter2-hunter2}\nstorage: filesystem\n'
  )
  const text = printConfig(await readConfig({ REGISTRY_AUTH: 'none', REGISTRY_LOG_LEVEL: 'WARN' }, file))
  for (const line of [
    `version: 0.1 # ${file}:1`,
    '  level: warn # REGISTRY_LOG_LEVEL',
    `  addr: :5000 # ${file}:2`,
    `  secret: "********" # ${file}:2`,
    '    rootdirectory: /var/lib/registry # default',
    '    enabled: false # default',
    'auth: none # REGISTRY_AUTH'
  ]) {
    t.ok(text.split('\n').includes(line), `${line}\n${text}`)
  }
  t.notMatch(text, /hunter2/)
  t.notMatch(text, /htpasswd/, 'of what was not chosen nothing is printed')
})

t.test('what was printed is a file that says the same', async (t) => {
  const environments: Record<string, string>[] = [
    {},
    { REGISTRY_AUTH: 'none', REGISTRY_HTTP_ADDR: '[::1]:5000', REGISTRY_STORAGE_DELETE_ENABLED: 'false' },
    {
      REGISTRY_AUTH: 'htpasswd',
      REGISTRY_AUTH_HTPASSWD_PATH: '/users',
      REGISTRY_AUTH_HTPASSWD_REALM: '"a: b"'
    },
    {
      REGISTRY_AUTH: 'openshift',
      REGISTRY_HTTP_ADDR: ':5000',
      REGISTRY_HTTP_TRUSTEDPROXIES: '10.0.0.1, 10.0.0.2, fd01::/48',
      REGISTRY_HTTP_HEADERS: '{X-A: [a, "b: c"], X-B: d}',
      REGISTRY_OPENSHIFT_KUBECONFIG: '1.5',
      REGISTRY_OPENSHIFT_AUTH_AUDIENCES: '["a", b]',
      REGISTRY_HTTP_TLS_CERTIFICATE: '/c',
      REGISTRY_HTTP_TLS_KEY: '/k'
    }
  ]
  for (const env of environments) {
    const reading = await readConfig(env)
    t.strictSame((await readConfig({}, fileWith(t, printConfig(reading)))).config, reading.config)
  }
})

t.test('the command line is that of distribution, and config', async (t) => {
  t.strictSame(parseCommand([]), { name: 'serve', file: undefined })
  t.strictSame(parseCommand(['/c']), { name: 'serve', file: '/c' })
  t.strictSame(parseCommand(['serve', '/c']), { name: 'serve', file: '/c' })
  t.strictSame(parseCommand(['serve']), { name: 'serve', file: undefined })
  t.strictSame(parseCommand(['config']), { name: 'config', file: undefined })
  t.strictSame(parseCommand(['config', '/c']), { name: 'config', file: '/c' })
  t.strictSame(parseCommand(['config', '/c', '--check']), { name: 'check', file: '/c' })
  for (const help of [['--help'], ['-h'], ['config', '--help'], ['serve', '/c', '-h']]) {
    t.equal(parseCommand(help).name, 'help')
  }
  t.equal(parseCommand(['--version']).name, 'version')
  for (const [wrong, problem] of [
    [['a', 'b'], /^one file at most, not 2: a, b\n/],
    [['serve', '--check'], /^--check is no option here\n/],
    [['config', '--chekc'], /^--chekc is no option here \(did you mean --check\?\)\n/],
    [['config', '--version'], /^--version is no option here\n/],
    [['serve', 'a', 'b'], /^one file at most/]
  ] as const) {
    const error = { name: 'CommandError', message: problem }
    t.throws(() => parseCommand(wrong), error, wrong.join(' '))
    t.throws(() => parseCommand(wrong), { message: /berth \[serve\] \[FILE\]/ })
  }
})
