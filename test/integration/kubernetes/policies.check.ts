// Random roles and bindings, and random requests: berth decides each of them as the API server itself does.
//
//   node test/integration/kubernetes/policies.check.ts --seed N --policies N
import { join } from 'node:path'
import { isDeepStrictEqual as isSame } from 'node:util'
import { createClient, type Reply } from '../support/client.ts'
import { type AccessAttributes, type KubeUser, startKube } from '../support/kube.ts'
import { bindingOf, type Grant, type Manifest, objectPath, roleOf } from '../support/kube-objects.ts'
import { CHECKOUT, startBerth } from '../support/processes.ts'
import { type Random, seeded } from '../support/random.ts'
import { createVerdict, numberOption, textOption } from '../support/verdict.ts'

const seed = textOption('seed') ?? String(Date.now())
const policies = numberOption('policies', 1000)
/** So many policies hold at the same time, each for an account of its own. */
const BATCH = 50
const GROUP = 'image.openshift.io'
const NAMESPACES = ['alpha', 'beta']
const NAMES = ['app', 'web']
const REPOSITORIES = NAMESPACES.flatMap((namespace) => NAMES.map((name) => `${namespace}/${name}`))
const GONE = `sha256:${'0'.repeat(64)}`

const RESOURCES = [
  ...['imagestreams/layers', 'imagestreams/layers', 'imagestreams', 'imagestreamtags', 'imagestreamimages'],
  ...['images', '*', '*/layers', 'imagestreams/*', 'imagestreams/status', 'layers', 'pods']
]

const { check, must, note, failures } = createVerdict()
const random = seeded(seed)
note(`seed ${seed}, ${policies} policies`)

const kube = await startKube()
for (const name of ['berth', 'ci', ...NAMESPACES]) await kube.createNamespace(name)
await kube.apply(join(CHECKOUT, 'deploy/rbac/registry.yaml'), join(CHECKOUT, 'deploy/rbac/roles.yaml'))
const registry = await startBerth({
  env: {
    REGISTRY_AUTH: 'openshift',
    KUBECONFIG: kube.kubeconfig({ token: await kube.token('berth', 'registry') })
  }
})
const client = createClient(registry.url)
await fill()

const tally = { allowed: 0, refused: 0 }
for (let first = 0; first < policies; first += BATCH) {
  const accounts = await Promise.all(
    Array.from({ length: Math.min(BATCH, policies - first) }, (_, index) => createAccount(first + index))
  )
  const objects = accounts.flatMap(({ name }) => randomPolicy(random, name))
  await kube.put(...objects)
  await Promise.all(accounts.map(compare))
  for (const manifest of objects) await kube.admin('DELETE', objectPath(manifest))
}
note(`${tally.allowed} requests were allowed, ${tally.refused} refused`)
check(Math.min(tally.allowed, tally.refused) > policies / 2, 'many requests were allowed, and many refused')
check(failures() === 0, 'berth decided each request as the API server does')
client.close()
await registry.stop()
await kube.end()

interface Account {
  name: string
  user: KubeUser
  token: string
  index: number
}

async function createAccount(index: number): Promise<Account> {
  const name = `account-${index}`
  const user = await kube.createServiceAccount('ci', name)
  return { name, user, token: await kube.token('ci', name), index }
}

/** One to three roles, each with one or two rules and bound once, to the account or to a group that it is in. */
function randomPolicy(random: Random, account: string): Manifest[] {
  return Array.from({ length: random.between(1, 3) }, (_, index) => {
    const role = `${account}-${index}`
    const namespace = random.pick(NAMESPACES)
    const subject = randomSubject(random, account)
    const rules = Array.from({ length: random.between(1, 2) }, () => randomRule(random))
    if (random.chance(0.4)) return [roleOf(role, rules, namespace), bindingOf({ role, namespace, subject })]
    const place = random.chance(0.6) ? { namespace } : {}
    return [roleOf(role, rules), bindingOf({ clusterRole: role, subject, ...place })]
  }).flat()
}

function randomSubject(random: Random, account: string): Grant['subject'] {
  const chance = random.next()
  // Now and then those that others are in, too: what is right for them changes with it.
  if (chance < 0.03)
    return { kind: 'Group', name: random.pick(['system:authenticated', 'system:serviceaccounts']) }
  if (chance < 0.1) return { kind: 'Group', name: 'system:unauthenticated' }
  if (chance < 0.4) return { kind: 'User', name: `system:serviceaccount:ci:${account}` }
  return { kind: 'ServiceAccount', namespace: 'ci', name: account }
}

function randomRule(random: Random): object {
  const some = <T>(list: readonly T[], most: number): T[] =>
    Array.from({ length: random.between(1, most) }, () => random.pick(list))
  return {
    apiGroups: random.chance(0.8) ? [GROUP] : some(['', '*', 'apps', 'image.openshift.io.'], 2),
    resources: some(RESOURCES, 3),
    verbs: some(['get', 'update', 'create', 'delete', 'list', '*', 'patch'], 3),
    ...(random.chance(0.25) && { resourceNames: some([...NAMES, 'other', '*'], 2) })
  }
}

/** Puts an image of nothing but its manifest into each repository. */
async function fill(): Promise<void> {
  const subject = { kind: 'ServiceAccount', namespace: 'ci', name: 'filler' } as const
  const { token } = {
    ...(await kube.createServiceAccount('ci', 'filler')),
    token: await kube.token('ci', 'filler')
  }
  const grant = { clusterRole: 'registry-editor', subject }
  await kube.bind(grant)
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  for (const repository of REPOSITORIES) {
    const { status } = await client.request('PUT', `/v2/${repository}/manifests/v1`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': mediaType },
      body: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] }))
    })
    if (status !== 201) throw new Error(`${repository} could not be filled: ${status}`)
  }
  await kube.unbind(grant)
}

/** Asks berth and the API server all there is to ask for one account. */
async function compare({ user, token, index }: Account): Promise<void> {
  const oracle = async (attributes: Omit<AccessAttributes, 'group'>): Promise<boolean> =>
    kube.accessReview(user, { group: GROUP, ...attributes })
  const basic = `Basic ${Buffer.from(`unused:${token}`).toString('base64')}`
  const authorization = index % 2 === 0 ? `Bearer ${token}` : basic
  const ask = (method: string, path: string, credential = authorization): Promise<Reply> =>
    client.request(method, path, { headers: { authorization: credential } })

  const mayPrune = await oracle({ verb: 'delete', resource: 'images' })
  const visible: string[] = []
  const scopes: string[] = []
  const granted: Record<string, string[]> = {}
  for (const repository of [...REPOSITORIES, `alpha/fresh-${index}`]) {
    const [namespace = '', name = ''] = repository.split('/')
    const exists = REPOSITORIES.includes(repository)
    const may = async (verb: string, resource: string, subresource?: string): Promise<boolean> =>
      oracle({ namespace, name, verb, resource, ...(subresource && { subresource }) })
    const pull = await may('get', 'imagestreams', 'layers')
    const push = await may('update', 'imagestreams', 'layers')
    const create = await may('create', 'imagestreams')
    const deleteTag = await may('delete', 'imagestreamtags')
    const deleteContent = await may('delete', 'imagestreamimages')

    const decide = async (method: string, path: string, expected: boolean): Promise<void> => {
      const { status, headers } = await ask(method, `/v2/${repository}/${path}`)
      const allowed = [200, 202, 404].includes(status)
      tally[allowed ? 'allowed' : 'refused'] += 1
      const about = { account: user.username, request: `${method} ${repository}/${path}`, status, expected }
      must(allowed === expected && (allowed || status === 403), 'berth decides as the API server', about)
      if (method === 'POST' && allowed)
        await ask('DELETE', String(headers.location).replace(registry.url, ''))
    }
    await decide('HEAD', 'manifests/v1', pull)
    await decide('POST', 'blobs/uploads/', push && (exists || create))
    await decide('DELETE', 'manifests/none', deleteTag || mayPrune)
    await decide('DELETE', `manifests/${GONE}`, deleteContent || mayPrune)

    // It shows the repositories of namespaces all of which may be pulled.
    if (
      exists &&
      (await oracle({ namespace, verb: 'get', resource: 'imagestreams', subresource: 'layers' }))
    ) {
      visible.push(repository)
    }
    scopes.push(`scope=repository:${repository}:pull,push,delete`)
    const mayDelete = deleteTag || deleteContent || mayPrune
    const actions = [pull ? 'pull' : [], push ? 'push' : [], mayDelete ? 'delete' : []].flat()
    if (actions.length > 0) granted[repository] = actions
  }

  const about = { account: user.username }
  const catalog = JSON.parse((await ask('GET', '/v2/_catalog')).body.toString()).repositories
  must(isSame(catalog, visible), 'the catalog shows namespaces that may be pulled', {
    ...about,
    catalog,
    visible
  })
  const answer = JSON.parse((await ask('GET', `/openshift/token?${scopes.join('&')}`, basic)).body.toString())
  const { access } = JSON.parse(Buffer.from(answer.token.split('.')[1], 'base64url').toString())
  const actions = Object.fromEntries(access.map((each: Access) => [each.name, each.actions]))
  must(isSame(actions, granted), 'a token allows what may be done', { ...about, actions, granted })
}

interface Access {
  name: string
  actions: string[]
}
