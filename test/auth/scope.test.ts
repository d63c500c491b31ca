import t from 'tap'
import { type Access, formatScopes, parseScopes } from '../../src/auth/scope.ts'
import { isName } from '../../src/oci/name.ts'
import { createRandom } from '../oci/random.ts'

const repository = (name: string, ...actions: Access['actions']): Access => ({
  type: 'repository',
  name,
  actions
})

const CATALOG: Access = { type: 'registry', name: 'catalog', actions: ['*'] }

const CASES: [title: string, values: string[], expected: Access[]][] = [
  ['none', [], []],
  ['an empty one', [''], []],
  ['one', ['repository:team/app:pull'], [repository('team/app', 'pull')]],
  ['in any order', ['repository:a:push,pull,delete'], [repository('a', 'pull', 'push', 'delete')]],
  ['all actions', ['repository:a:*'], [repository('a', '*')]],
  [
    'several in one value',
    ['repository:b:pull repository:a:pull'],
    [repository('b', 'pull'), repository('a', 'pull')]
  ],
  [
    'several values',
    ['repository:b:pull', 'repository:a:push'],
    [repository('b', 'pull'), repository('a', 'push')]
  ],
  [
    'spaces around',
    ['  repository:a:pull   repository:b:pull '],
    [repository('a', 'pull'), repository('b', 'pull')]
  ],
  [
    'one repository twice',
    ['repository:a:push', 'repository:a:pull,push'],
    [repository('a', 'pull', 'push')]
  ],
  ['with a class', ['repository(plugin):a/b:pull repository:a/b:push'], [repository('a/b', 'pull', 'push')]],
  ['the catalog', ['registry:catalog:*'], [CATALOG]],
  [
    'a repository of that name',
    ['repository:catalog:* registry:catalog:*'],
    [repository('catalog', '*'), CATALOG]
  ],
  ['an action that is unknown', ['repository:a:pull,fly'], [repository('a', 'pull')]],
  ['a comma too many', ['repository:a:,pull,,push,'], [repository('a', 'pull', 'push')]],
  [
    'names that look like routes',
    ['repository:v2/blobs/uploads:pull'],
    [repository('v2/blobs/uploads', 'pull')]
  ]
]

const DROPPED = [
  'repository',
  'repository:',
  'repository:a',
  'repository:a:',
  'repository:a:,',
  'repository:a:fly',
  'repository:a:PULL',
  'repository::pull',
  ':a:pull',
  '::',
  'Repository:a:pull',
  'repository():a:pull',
  'repository(plugin:a:pull',
  'repository(a)(b):a:pull',
  'repository:registry.example.com:5000/a:pull',
  'repository:[::1]:5000/a:pull',
  'repository:a:pull,x:push',
  'repository:A:pull',
  'repository:a//b:pull',
  'repository:../a:pull',
  'repository:a%2fb:pull',
  'repository:*:pull',
  'repository:é:pull',
  'repository:a\tb:pull',
  'repository:a:pull\n',
  `repository:${'a'.repeat(256)}:pull`,
  'registry:catalog:pull',
  'registry:catalog:',
  'registry:other:*',
  'registry:*:*',
  'aggregate:a:pull',
  'constructor:a:pull',
  '__proto__:a:pull'
]

t.test('scopes are read as clients write them', async (t) => {
  for (const [title, values, expected] of CASES) t.strictSame(parseScopes(values), expected, title)
})

t.test('what is no scope is dropped, and the others stay', async (t) => {
  for (const scope of DROPPED) {
    t.strictSame(parseScopes([scope]), [], JSON.stringify(scope))
    t.strictSame(
      parseScopes([`repository:b:pull ${scope}`]),
      [repository('b', 'pull')],
      JSON.stringify(scope)
    )
  }
})

t.test('of more than 16 scopes the first 16 count, and may still gain actions', async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => `team/app-${index}`)
  const scopes = names.map((name) => `repository:${name}:pull`)
  const access = parseScopes([...scopes, 'repository:team/app-0:push', 'repository:team/app-16:push'])
  t.strictSame(
    access.map(({ name }) => name),
    names.slice(0, 16)
  )
  t.strictSame(access[0]?.actions, ['pull', 'push'])
})

t.test('a hostile request is answered at once', async (t) => {
  for (const value of [
    ':'.repeat(1e6),
    ' '.repeat(1e6),
    `repository:a:${','.repeat(1e6)}`,
    'repository:a:pull '.repeat(6e4)
  ]) {
    t.ok(parseScopes([value]).length <= 1)
  }
})

t.test('of 20,000 mutated requests, each gives at most 16 scopes of which each is good', async (t) => {
  const { pick, mutate, integer } = createRandom(4)
  const seeds = [...CASES.flatMap(([, values]) => values), ...DROPPED]
  let found = 0
  for (let round = 0; round < 20_000; round++) {
    const values = Array.from({ length: integer(30) }, () => mutate(pick(seeds), 'az:,/ *()-\n\0é😀"\\'))
    const access = parseScopes(values)
    const keys = new Set(access.map(({ type, name }) => `${type} ${name}`))
    const isGood = access.every(
      ({ type, name, actions }) =>
        actions.length > 0 &&
        (type === 'repository'
          ? isName(name) && actions.every((action) => ['pull', 'push', 'delete', '*'].includes(action))
          : name === 'catalog' && actions.join() === '*')
    )
    if (!isGood || access.length > 16 || keys.size !== access.length)
      t.fail(JSON.stringify({ values, access }))
    if (formatScopes(parseScopes([formatScopes(access)])) !== formatScopes(access))
      t.fail(JSON.stringify(values))
    found += access.length
  }
  t.ok(found > 20_000, `${found} scopes found`)
})
