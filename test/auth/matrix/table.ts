/** Who asks, in the order of the columns of `MAY`. The tokens of the last two but one are of other namespaces. */
export const CALLERS = [
  'anonymous', // shows nothing; by token: the one that anybody may have
  'bad', // a token that nobody has; by token: a signature that is wrong
  'expired', // an editor's token that is over
  'viewer',
  'editor',
  'admin',
  'pruner',
  'stranger', // editor of another namespace
  'metrics'
] as const

export type CallerName = (typeof CALLERS)[number]

/** What becomes of a request. */
export const OUTCOMES = {
  ok: 'the status of its row',
  login: '401 with a challenge that has no error',
  wrong: '401 with invalid_token in its challenge',
  scope: '401 with insufficient_scope in its challenge',
  denied: '403',
  refused: '401 without a challenge: the token endpoint',
  off: '405, since deletion is off'
} as const

export type Outcome = keyof typeof OUTCOMES

/**
 * What each caller meets, by what a request needs. `a/b`: with a credential of the cluster, as Basic or as Bearer, and
 * with a token of the registry that was got for this very request.
 */
export const MAY = `
  needs         anonymous    bad      expired  viewer        editor  admin  pruner        stranger      metrics
  nothing       off          off      off      off           off     off    off           off           off
  anything      ok           ok       ok       ok            ok      ok     ok            ok            ok
  identity      login/ok     wrong    wrong    ok            ok      ok     ok            ok            ok
  credential    ok/refused   refused  refused  ok/refused    ok/refused  ok/refused  ok/refused  ok/refused  ok/refused
  catalog       login/scope  wrong    wrong    ok            ok      ok     ok            ok            ok
  pull          login/scope  wrong    wrong    ok            ok      ok     denied/scope  denied/scope  denied/scope
  push          login/scope  wrong    wrong    denied/scope  ok      ok     denied/scope  denied/scope  denied/scope
  delete        login/scope  wrong    wrong    denied/scope  ok      ok     ok            denied/scope  denied/scope
  metrics       login/scope  wrong    wrong    denied/scope  denied/scope  denied/scope  denied/scope  denied/scope  ok/scope
`

/** Which repositories each caller's catalog holds: in the storage there are other/app, other/secret and team/app. */
export const CATALOG: Partial<Record<CallerName, readonly string[]>> = {
  viewer: ['team/app'],
  editor: ['team/app'],
  admin: ['team/app'],
  pruner: [],
  stranger: ['other/app', 'other/secret'],
  metrics: []
}

/**
 * Every route: its action in the source, what it needs, the scope that a challenge asks for, the status of success,
 * and whether that changes what is stored. One that refuses whatever comes (405) is no row here.
 */
export const ROUTES = `
  method  route                            action   needs       scope      status  changes
  GET     /                                -        anything    -          200     no
  HEAD    /                                -        anything    -          200     no
  GET     /healthz                         -        anything    -          200     no
  HEAD    /healthz                         -        anything    -          200     no
  GET     /livez                           -        anything    -          200     no
  HEAD    /livez                           -        anything    -          200     no
  GET     /readyz                          -        anything    -          200     no
  HEAD    /readyz                          -        anything    -          200     no
  GET     /extensions/v2/metrics           metrics  metrics     -          200     no
  GET     /openshift/token                 token    credential  -          200     no
  POST    /openshift/token                 token    credential  -          200     no
  GET     /v2/                             ping     identity    -          200     no
  HEAD    /v2/                             ping     identity    -          200     no
  GET     /v2                              ping     identity    -          200     no
  HEAD    /v2                              ping     identity    -          200     no
  GET     /v2/_catalog                     catalog  catalog     catalog    200     no
  HEAD    /v2/_catalog                     catalog  catalog     catalog    200     no
  GET     /v2/:name/tags/list              pull     pull        pull       200     no
  HEAD    /v2/:name/tags/list              pull     pull        pull       200     no
  GET     /v2/:name/manifests/:reference   pull     pull        pull       200     no
  HEAD    /v2/:name/manifests/:reference   pull     pull        pull       200     no
  PUT     /v2/:name/manifests/:reference   push     push        pull,push  201     yes
  DELETE  /v2/:name/manifests/:reference   delete   delete      delete     202     yes
  GET     /v2/:name/referrers/:digest      pull     pull        pull       200     no
  HEAD    /v2/:name/referrers/:digest      pull     pull        pull       200     no
  GET     /v2/:name/blobs/:digest          pull     pull        pull       200     no
  HEAD    /v2/:name/blobs/:digest          pull     pull        pull       200     no
  DELETE  /v2/:name/blobs/:digest          delete   delete      delete     202     yes
  POST    /v2/:name/blobs/uploads/         push     push        pull,push  202     yes
  POST    /v2/:name/blobs/uploads          push     push        pull,push  202     yes
  GET     /v2/:name/blobs/uploads/:id      push     push        pull,push  204     no
  PATCH   /v2/:name/blobs/uploads/:id      push     push        pull,push  202     yes
  PUT     /v2/:name/blobs/uploads/:id      push     push        pull,push  201     yes
  DELETE  /v2/:name/blobs/uploads/:id      push     push        pull,push  204     yes
`

export interface Row {
  method: string
  route: string
  action: string | undefined
  needs: string
  /** Of the repository, or `catalog`. */
  scope: string | undefined
  status: number
  changes: boolean
}

const lines = (table: string): string[][] =>
  table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/ +/))

const unless = (text = ''): string | undefined => (text === '-' ? undefined : text)

export const rows: readonly Row[] = lines(ROUTES).map(
  ([method = '', route = '', action, needs = '', scope, status, changes]) => ({
    method,
    route,
    action: unless(action),
    needs,
    scope: unless(scope),
    status: Number(status),
    changes: changes === 'yes'
  })
)

const outcomes = new Map(lines(MAY).map(([needs = '', ...cells]) => [needs, cells]))

/** @param form `cluster` for a credential of the cluster, `token` for one of the registry */
export function expected({ needs }: Row, caller: CallerName, form: 'cluster' | 'token'): Outcome {
  const [cluster = '', token = cluster] = outcomes.get(needs)?.[CALLERS.indexOf(caller)]?.split('/') ?? []
  const outcome = form === 'cluster' ? cluster : token
  if (!(outcome in OUTCOMES)) throw new Error(`${needs}, ${caller}: "${outcome}" is no outcome`)
  return outcome as Outcome
}
