// Random roles and bindings, and random requests under them: berth lets in exactly whom the API server's own access
// reviews let in. --policies 1000 --seed N for the long form; --first N --policies 1 for one that was reported.
import { startKube } from '../support/kube.ts'
import { prepareCluster } from '../support/kube-berth.ts'
import { type Manifest, objectPath } from '../support/kube-objects.ts'
import { type Random, seeded } from '../support/random.ts'
import { createVerdict, numberOption } from '../support/verdict.ts'
import { type Attempt, fullName, type Repository, randomAttempt, type Sender, stock } from './attempts.ts'
import { createOracle, type TokenAction } from './oracle.ts'
import { randomPolicy } from './random-policy.ts'
import { ANYBODY, createRegistries, exchange, type Person, type Registry } from './registries.ts'

const REQUESTS = 10

/** How somebody shows who they are: with the cluster's token, or the registry's for what is done, for everything in
 *  that repository, or for other things in it. */
type Way = 'nothing' | 'basic' | 'bearer' | 'token' | 'token for all' | 'token for else'

const SCOPES = { pull: 'pull', push: 'pull,push', delete: 'delete' }
const OTHER_SCOPES = { pull: 'push,delete', push: 'pull,delete', delete: 'pull,push' }

interface Scene {
  number: number
  random: Random
  policy: readonly Manifest[]
  people: readonly Person[]
  registry: Registry
  stocked: readonly Repository[]
  /** Taken out once it was tried to push there. */
  fresh: Repository[]
}

const seed = numberOption('seed', 1)
const policies = numberOption('policies', 100)
const first = numberOption('first', 0)
const verdict = createVerdict()
const figures = new Map<string, [allowed: number, refused: number]>()

const kube = await startKube()
const oracle = createOracle(kube)
await prepareCluster(kube)
await kube.createNamespace('stock')
await kube.createServiceAccount('stock', 'admin')
const adminToken = await kube.token('stock', 'admin')
await kube.bind({
  clusterRole: 'registry-editor',
  subject: { kind: 'ServiceAccount', namespace: 'stock', name: 'admin' }
})

verdict.note(`seed ${seed}, ${policies} policies, ${REQUESTS} requests under each`)
const since = performance.now()
const registries = createRegistries(kube, oracle, `settings ${seed}`)
for (let number = first; number < first + policies && verdict.failures() < 20; number += 1) {
  await judge(number)
}
await registries.stop()

const sum = { allowed: 0, refused: 0 }
for (const [what, [allowed, refused]] of [...figures].sort()) {
  verdict.note(`${what}: ${allowed} allowed, ${refused} refused`)
  sum.allowed += allowed
  sum.refused += refused
}
const seconds = Math.round((performance.now() - since) / 1000)
verdict.note(
  `${sum.allowed} allowed, ${sum.refused} refused, by ${registries.started()} berths in ${seconds} s`
)
verdict.check(
  Math.min(sum.allowed, sum.refused) > policies * 3,
  'much that was asked for was allowed, and much was refused'
)
verdict.check(verdict.failures() === 0, "berth decides as the API server's own access reviews do")
await kube.end()

async function judge(number: number): Promise<void> {
  const random = seeded(`policies ${seed}`).branch(number)
  const namespaces = [`a-${number}`, `b-${number}`]
  const people: Person[] = [ANYBODY]
  for (const namespace of namespaces) {
    await kube.createNamespace(namespace)
    const user = await kube.createServiceAccount(namespace, 'builder')
    people.push({ ...user, token: await kube.token(namespace, 'builder') })
  }
  const policy = randomPolicy(random, `policy-${number}`, namespaces)
  await kube.put(...policy)
  const registry = await registries.for(number)
  const admin = registry.as(`Bearer ${adminToken}`)

  const names = ['app', 'web', ...(registry.nested ? ['team/app'] : [])]
  const stocked = namespaces.flatMap((namespace) =>
    names.map((name): Repository => ({ namespace, name, state: 'stocked' }))
  )
  for (const repository of stocked) await stock(admin, repository)
  registry.stocked.push(...stocked)
  const fresh = namespaces.flatMap((namespace) =>
    ['new', 'tool'].map((name): Repository => ({ namespace, name, state: 'new' }))
  )
  fresh.push({ namespace: `gone-${number}`, name: 'app', state: 'without namespace' })

  const scene = { number, random, policy, people, registry, stocked, fresh }
  for (let time = 0; time < REQUESTS; time += 1) {
    if (random.chance(0.15)) await tryExchange(scene)
    else if (random.chance(0.05)) await tryCatalog(scene)
    else await tryRequest(scene, admin)
  }
  // What holds everywhere must not hold for those who come after, and reviews know that once they know the next policy.
  // What holds in one namespace stays: berth may remember it.
  for (const one of policy.filter(({ kind }) => kind === 'ClusterRoleBinding')) {
    await kube.admin('DELETE', objectPath(one))
  }
}

async function tryRequest(scene: Scene, admin: Sender): Promise<void> {
  const { random, registry, people, stocked, fresh } = scene
  const repository = random.pick(random.chance(0.75) || fresh.length === 0 ? stocked : fresh)
  const attempt = await randomAttempt(random, { repository, source: random.pick(stocked), admin })
  const person = random.pick(people)
  const way = randomWay(random, person)
  const scope = scopeFor(way, attempt, repository)
  const credential =
    scope === undefined
      ? credentialOf(person, way)
      : `Bearer ${(await exchange(registry, credentialOf(person, 'basic'), scope)).token}`
  const expected = await expectedStatus({ person, way, attempt, repository })
  const { method, path, body, headers } = attempt
  const { status, body: text } = await registry
    .as(credential)
    .request(method, path, { ...(headers && { headers }), body: body ?? Buffer.alloc(0) })
  if (repository.state === 'new' && attempt.action === 'push') fresh.splice(fresh.indexOf(repository), 1)
  count(attempt.what, expected < 300 || expected === 404)
  compare(scene, expected, status, {
    what: attempt.what,
    way,
    who: person.username,
    method,
    path,
    scope,
    text: String(text)
  })
}

function randomWay(random: Random, { token }: Person): Way {
  if (random.chance(0.1)) return random.pick<Way>(['nothing', 'token for else'])
  return random.pick<Way>(['token', 'token for all', ...(token ? (['basic', 'bearer'] as const) : [])])
}

/** What is asked of the token endpoint; undefined where no token of the registry is shown. */
function scopeFor(way: Way, { action, source }: Attempt, repository: Repository): string | undefined {
  const own = `repository:${fullName(repository)}`
  if (way === 'token for all') return `${own}:*`
  if (way === 'token for else') return `${own}:${OTHER_SCOPES[action]}`
  if (way !== 'token') return undefined
  return `${own}:${SCOPES[action]}${source ? ` repository:${fullName(source)}:pull` : ''}`
}

function credentialOf({ token }: Person, way: Way): string | undefined {
  if (token === undefined || way === 'nothing') return undefined
  return way === 'bearer' ? `Bearer ${token}` : `Basic ${Buffer.from(`any:one:${token}`).toString('base64')}`
}

interface Question {
  person: Person
  way: Way
  attempt: Attempt
  repository: Repository
}

async function expectedStatus({ person, way, attempt, repository }: Question): Promise<number> {
  const { action, rights, status, source } = attempt
  if (way === 'nothing' || way === 'token for else') return 401
  const isToken = way === 'token' || way === 'token for all'
  if (isToken && !(await oracle.grants(person, action, repository))) return 401
  const ways = rights.map((all) => oracle.mayAll(person, all, repository))
  if (!(await Promise.all(ways)).some(Boolean)) return 403
  if (source === undefined) return status
  const isInToken = way !== 'token for all' || fullName(source) === fullName(repository)
  return isInToken && (await oracle.may(person, 'pull', source)) ? status : 202
}

async function tryExchange(scene: Scene): Promise<void> {
  const { random, registry, people, stocked, fresh, number } = scene
  const person = random.pick(people)
  const asked = new Map<string, { place: Repository | undefined; actions: string[] }>()
  const strange = [`a-${number}`, `A-${number}/app`, `a-${number}/deep/app/er`, `a_${number}/app`]
  for (let scopes = random.between(1, 4); scopes > 0; scopes -= 1) {
    const place = random.pick([...stocked, ...fresh])
    const isStrange = random.chance(0.2)
    const actions = ['pull', 'push', 'delete', '*', 'bake'].filter(() => random.chance(0.4))
    if (actions.length > 0)
      asked.set(isStrange ? random.pick(strange) : fullName(place), {
        place: isStrange ? undefined : place,
        actions
      })
  }
  const scope = [...asked].map(([name, { actions }]) => `repository:${name}:${actions.join()}`).join(' ')
  const expected: string[] = []
  for (const [name, { place, actions }] of asked) {
    const isDeep = name === `a-${number}/deep/app/er` && registry.nested
    const where = place ?? (isDeep ? { namespace: `a-${number}`, name: 'deep/app/er' } : undefined)
    if (where === undefined) continue
    const wanted = (['pull', 'push', 'delete'] as const satisfies TokenAction[]).filter(
      (action) => actions.includes(action) || actions.includes('*')
    )
    const granted = await Promise.all(wanted.map((action) => oracle.grants(person, action, where)))
    const allowed = wanted.filter((_, index) => granted[index])
    for (const [index, action] of wanted.entries()) count(`token to ${action}`, granted[index] === true)
    if (allowed.length > 0) expected.push(`repository:${name}:${allowed.join()}`)
  }
  const way = random.pick(['basic', 'bearer'] as const)
  const { access } = await exchange(registry, credentialOf(person, way), scope)
  const about = { what: 'token', way, who: person.username, scope }
  compare(scene, expected.sort().join(' '), access.sort().join(' '), about)
}

async function tryCatalog(scene: Scene): Promise<void> {
  const { random, people, registry } = scene
  const person = random.pick(people)
  const way = random.pick(['basic', 'bearer', 'token'] as const)
  const isAllowed = person.token !== undefined || registry.anonymousCatalog
  const expected: string[] = isAllowed ? [] : ['401']
  const isEverywhere = await oracle.may(person, 'pull', {})
  for (const repository of isAllowed ? registry.stocked : []) {
    const { namespace } = repository
    if (isEverywhere || (await oracle.may(person, 'pull', { namespace }))) expected.push(fullName(repository))
  }
  const credential =
    way === 'token'
      ? `Bearer ${(await exchange(registry, credentialOf(person, 'basic'), 'registry:catalog:*')).token}`
      : credentialOf(person, way)
  const listed: string[] = []
  for (let path: string | undefined = `/v2/_catalog?n=${random.between(3, 100)}`; path !== undefined; ) {
    const { status, headers, body } = await registry.as(credential).request('GET', path)
    listed.push(...(status === 200 ? JSON.parse(body.toString()).repositories : [String(status)]))
    path = /<([^>]+)>/.exec(String(headers.link ?? ''))?.[1]
  }
  // What else was pushed meanwhile is there as well, and is left out here.
  const known = new Set(['401', ...registry.stocked.map(fullName)])
  count('catalog', isAllowed)
  const about = { what: 'catalog', way, who: person.username }
  compare(scene, expected.sort().join(' '), listed.filter((name) => known.has(name)).join(' '), about)
}

function count(what: string, isAllowed: boolean): void {
  const [allowed, refused] = figures.get(what) ?? [0, 0]
  figures.set(what, isAllowed ? [allowed + 1, refused] : [allowed, refused + 1])
}

function compare({ number, policy }: Scene, expected: unknown, got: unknown, about: object): void {
  if (expected === got) return
  const detail = { seed, number, ...about, 'the API server': expected, berth: got }
  verdict.must(false, 'berth agrees with the API server', detail)
  if (verdict.failures() <= 3) verdict.note(`policy: ${JSON.stringify(policy)}`)
}
