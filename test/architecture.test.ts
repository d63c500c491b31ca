import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path/posix'
import t from 'tap'

const ROOT = new URL('..', import.meta.url).pathname

/** Who may import whom; `type X` where only types may be taken. A part may always import itself. */
const ARROWS: Record<string, string[]> = {
  main: ['config', 'operations', 'processes', 'reloading', 'serve', 'registry'],
  reloading: ['config', 'operations'],
  compile: ['main', 'config', 'operations', 'processes', 'serve', 'storage', 'auth', 'http'],
  serve: ['app', 'auth', 'config', 'operations', 'registry', 'storage', 'storage/driver.ts'],
  processes: ['type config', 'type registry', 'type operations'],
  app: ['http', 'operations', 'auth', 'registry', 'oci', 'type config'],
  http: ['auth', 'registry', 'oci'],
  auth: ['oci', 'kubernetes', 'outgoing', 'type registry', 'type config'],
  openshift: ['registry', 'kubernetes'],
  kubernetes: ['outgoing'],
  outgoing: [],
  registry: ['oci', 'storage/driver.ts'],
  operations: ['oci', 'type registry', 'storage/driver.ts'],
  config: ['oci', 'type storage'],
  oci: [],
  storage: ['storage/driver.ts', 'outgoing'],
  'storage/driver.ts': [],
  // It judges any registry by its URL, and knows nothing of this one: whoever copies the folder has a judge.
  conformance: [],
  // But for what starts berth to be judged, and the official suites, which are built as every tool in Go.
  'conformance/main.ts': ['conformance', 'conformance/start.ts', 'conformance/official.ts'],
  'conformance/start.ts': ['test/integration/support'],
  'conformance/official.ts': ['test/go', 'test/integration/support'],
  // It starts berth as anybody else would, and compares it with others by what they answer.
  bench: ['test/go', 'test/integration/support']
}

const IMPORT = /^(?:import|export) (?:(type) )?(?:[^'"=(]*? from )?'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'/gm

function partOf(path: string): string {
  if (path in ARROWS) return path
  return (
    path.match(/^src\/([\w-]+)(?:\.ts$|\/)/)?.[1] ??
    path.match(/^(storage|conformance|bench|test\/go|test\/integration\/support)\//)?.[1] ??
    path
  )
}

function wrongImports(path: string, text: string): string[] {
  const part = partOf(path)
  const imports = [...text.matchAll(IMPORT)].map(([, type, from = '', dynamic = from]) => {
    const target = partOf(join(path, '..', dynamic))
    const isAllowed = target === part || ARROWS[part]?.includes(target)
    return isAllowed || (type && ARROWS[part]?.includes(`type ${target}`)) ? [] : [`${path} → ${target}`]
  })
  return imports.flat()
}

t.test('each part of the registry imports only those that the architecture allows', async (t) => {
  const paths = globSync('{src,storage,conformance,bench}/**/*.ts', { cwd: ROOT })
  t.ok(paths.includes('src/oci/error.ts') && paths.includes('storage/driver.ts'))
  t.strictSame(
    paths.flatMap((path) => wrongImports(path, readFileSync(join(ROOT, path), 'utf8'))),
    []
  )
})

/** What loading a file loads, without what is imported when it is needed. */
function loadedBy(path: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(path)) return loaded
  loaded.add(path)
  for (const [, type, from] of readFileSync(join(ROOT, path), 'utf8').matchAll(IMPORT)) {
    if (!type && from !== undefined) loadedBy(join(path, '..', from), loaded)
  }
  return loaded
}

t.test('the primary of several processes loads neither the app nor the storage', async (t) => {
  const files = ['src/main.ts', 'src/config/read.ts', 'src/processes/supervise.ts']
  const supervised = files.flatMap((path) => [...loadedBy(path)])
  t.ok(supervised.includes('src/processes/relay.ts'))
  t.strictSame(
    supervised.filter((path) => !/^src\/(main\.ts|(config|processes|operations)\/)/.test(path)),
    []
  )
  t.ok(loadedBy('src/serve.ts').has('src/app.ts'))
})

t.test('a start without a configuration file loads nothing that parses one', async (t) => {
  const loaded = loadedBy('src/config/read.ts', loadedBy('src/main.ts'))
  t.ok(loaded.has('src/config/environment.ts'))
  t.notOk(loaded.has('src/config/yaml.ts'))
  t.notOk(loaded.has('src/config/print.ts'))
  t.notOk(loadedBy('src/main.ts').has('src/config/read.ts'), 'workers are told what holds')
})

t.test('what counts is loaded only where metrics are on', async (t) => {
  const loaded = loadedBy('src/serve.ts', loadedBy('src/main.ts'))
  for (const file of ['recorder', 'registry', 'definitions', 'reports']) {
    t.notOk(loaded.has(`src/operations/metrics/${file}.ts`), file)
  }
})

t.test('every folder and file at the top of src has its arrows', async (t) => {
  const parts = readdirSync(join(ROOT, 'src')).map((entry) => entry.replace(/\.ts$/, ''))
  t.strictSame(
    parts.filter((part) => !Object.hasOwn(ARROWS, part)),
    []
  )
})

const SUPPORT = 'test/integration/support'

t.test('an arrow that turns back is found, however it is written', async (t) => {
  const wrong: [string, string, string][] = [
    ['src/oci/digest.ts', "import { createBlobs } from '../registry/blobs.ts'", 'registry'],
    ['src/registry/blobs.ts', "import type { App } from '../app.ts'", 'app'],
    ['src/registry/blobs.ts', "import {\n  a,\n  type B\n} from '../../storage/memory.ts'", 'storage'],
    ['src/http/base.ts', "export * from '../../storage/driver.ts'", 'storage/driver.ts'],
    ['src/http/base.ts', "import '../operations/health.ts'", 'operations'],
    ['src/app.ts', "import { parseConfig } from './config/config.ts'", 'config'],
    ['src/app.ts', "const { openStorage } = await import('../storage/open.ts')", 'storage'],
    [
      'src/config/config.ts',
      "import { isName } from '../oci/name.ts'\nimport { a } from '../main.ts'",
      'main'
    ],
    ['storage/memory.ts', "import type { Digest } from '../src/oci/digest.ts'", 'oci'],
    ['storage/driver.ts', "import { a } from './memory.ts'", 'storage'],
    ['conformance/client.ts', "export { isName } from '../src/oci/name.ts'", 'oci'],
    ['conformance/cases/a.ts', "import { run } from '../../test/integration/support/processes.ts'", SUPPORT],
    ['conformance/runner.ts', "import { startBerthToJudge } from './start.ts'", 'conformance/start.ts'],
    ['src/extra/a.ts', "import { isName } from '../oci/name.ts'", 'oci'],
    ['src/main.ts', "import { a } from '../test/a.ts'", 'test/a.ts']
  ]
  for (const [path, text, target] of wrong) {
    t.strictSame(wrongImports(path, text), [`${path} → ${target}`], text)
  }
  t.strictSame(wrongImports('src/app.ts', "import type { Config } from './config/config.ts'"), [])
  t.strictSame(wrongImports('storage/s3.ts', "import { a } from './filesystem.ts'"), [])
})
