// The token endpoint as docker and containerd use it, and tokens of a registry with several processes.
import { deepEqual, equal, match } from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { needCommands, step } from '../support/steps.ts'
import { eventually } from '../support/verdict.ts'
import { processTree } from '../support/vitals.ts'
import { curlClient } from './curl.ts'
import { assertNoErrors, assertNoSecrets, PASSWORD, startRegistry, USER, WRONG } from './registry.ts'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const PROCESSES = 3

await needCommands('htpasswd', 'curl')
const processes = { REGISTRY_HTTP_PROCESSES: `${PROCESSES}` }
const closed = await startRegistry(processes)
const open = await startRegistry(
  { ...processes, REGISTRY_AUTH_HTPASSWD_ANONYMOUSPULL: 'true', REGISTRY_HTTP_SECRET: '' },
  { root: closed.root }
)
const curl = curlClient(closed)
await curl.login(PASSWORD, USER)
const digest = await curl.push('team')
const path = `/v2/team/curl/manifests/${digest}`
const tokens: string[] = []

await step('docker logs in with a token that allows nothing yet, and is given no refresh token', async () => {
  const { realm, service, scope } = await challenged('GET', `${closed.url}/v2/`)
  deepEqual([service, scope], ['berth', ''])
  const query = new URLSearchParams({ account: USER, client_id: 'docker', offline_token: 'true', service })
  const login = (password: string) => fetch(`${realm}?${query}`, { headers: basic(password) })
  const answer = JSON.parse(await (await login(PASSWORD)).text())
  tokens.push(answer.token)
  equal('refresh_token' in answer, false)
  equal((await fetch(`${closed.url}/v2/`, { headers: bearer(answer.token) })).status, 200)
  equal((await login(WRONG)).status, 401)
})

await step('containerd with a password posts it, and pulls and pushes with what it gets', async () => {
  const { scope, ...where } = await challenged('HEAD', closed.url + path)
  equal(scope, 'repository:team/curl:pull')
  const answer = await post({ ...where, scope: 'repository:team/curl:pull,push' }, PASSWORD)
  equal(answer.status, 200)
  const { access_token: token, scope: granted, expires_in: seconds } = JSON.parse(await answer.text())
  tokens.push(token)
  equal(granted, 'repository:team/curl:pull,push')
  equal(seconds, 300)
  equal((await fetch(closed.url + path, { method: 'HEAD', headers: bearer(token) })).status, 200)
  const upload = { method: 'POST', headers: bearer(token) }
  equal((await fetch(`${closed.url}/v2/team/curl/blobs/uploads/`, upload)).status, 202)
  equal((await fetch(`${closed.url}/v2/team/other/blobs/uploads/`, upload)).status, 401)
})

await step('containerd with a wrong password is refused twice: the form, and then the query', async () => {
  const where = await challenged('HEAD', closed.url + path)
  equal((await post(where, WRONG)).status, 401)
  equal((await ask(where, WRONG)).status, 401)
})

await step('a refresh token is refused with 400, after which clients ask with the query', async () => {
  const where = await challenged('HEAD', closed.url + path)
  const answer = await post(where, PASSWORD, {
    grant_type: 'refresh_token',
    refresh_token: 'of another registry'
  })
  equal(answer.status, 400)
  match(await answer.text(), /this registry gives no refresh tokens/)
  equal(await statusWith(await tokenOf(await ask(where, PASSWORD)), closed.url), 200)
})

await step('containerd without a password gets a token that allows what everybody may', async () => {
  for (const { url } of [closed, open]) {
    // A pull is not challenged where everybody may.
    const where = await challenged('POST', `${url}/v2/team/curl/blobs/uploads/`)
    equal(where.scope, 'repository:team/curl:pull,push')
    const token = await tokenOf(await ask(where))
    equal(await statusWith(token, url), url === open.url ? 200 : 401)
    const push = await fetch(`${url}/v2/team/curl/blobs/uploads/`, { method: 'POST', headers: bearer(token) })
    equal(push.status, 401)
    match(push.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/)
  }
})

await step('a token is no password, and gets no other token', async () => {
  const where = await challenged('HEAD', closed.url + path)
  const token = await tokenOf(await ask(where, PASSWORD))
  equal((await ask(where, token)).status, 401)
  equal((await post(where, token)).status, 401)
  equal((await fetch(closed.url + path, { headers: basic(token) })).status, 401)
  const changed = `${token.slice(0, -5)}AAAAA`
  equal((await fetch(closed.url + path, { headers: bearer(changed) })).status, 401)
})

for (const [title, registry] of Object.entries({
  'with a secret': closed,
  'without one, which it makes up': open
})) {
  await step(`what one process issues is good in all, ${title}`, async () => {
    const workers = processTree(registry.pid).slice(1)
    equal(workers.length, PROCESSES)
    const query = `service=berth&scope=${encodeURIComponent('repository:team/curl:pull')}`
    const statuses: number[] = []
    for (const issuer of workers) {
      const issued = await by(issuer, workers, `${registry.url}/openshift/token?${query}`, basic(PASSWORD))
      const { token } = JSON.parse(issued.body)
      tokens.push(token)
      for (const worker of workers) {
        statuses.push((await by(worker, workers, registry.url + path, bearer(token))).status)
      }
    }
    deepEqual(statuses, Array(PROCESSES ** 2).fill(200))
  })
}

await step('who is taken out of the file pushes no more, and pulls until the token ends', async () => {
  const where = await challenged('POST', `${closed.url}/v2/team/curl/blobs/uploads/`)
  const token = await tokenOf(await ask(where, PASSWORD))
  const push = async (): Promise<number> =>
    (await fetch(`${closed.url}/v2/team/curl/blobs/uploads/`, { method: 'POST', headers: bearer(token) }))
      .status
  equal(await push(), 202)
  writeFileSync(closed.htpasswd, 'somebody:$2y$05$QLF/lmWMmtYjhYaQWupH9esTIjDXtYNVt/XZJJ1RyGmmMJZj3Prue\n')
  equal(await eventually(async () => (await push()) === 403, 10_000), true)
  equal(await statusWith(token, closed.url), 200)
  equal((await ask(where, PASSWORD)).status, 401)
})

for (const registry of [closed, open]) await registry.stop()

await step('only a registry without a secret says so, and once', async () => {
  const warnings = [closed, open].map(
    ({ log }) => log().match(/level=warn msg="REGISTRY_HTTP_SECRET is not set/g)?.length
  )
  deepEqual(warnings, [undefined, 1])
})

await step('the log names who was refused, and holds no password and no token', async () => {
  match(closed.log(), /refused: this is not the password of ..alice.., or there is no such user/)
  for (const { log } of [closed, open]) {
    assertNoErrors(log())
    assertNoSecrets(log(), tokens)
  }
})

interface Challenge {
  realm: string
  service: string
  scope: string
}

/** What a request without any credential is told. */
async function challenged(method: string, url: string): Promise<Challenge> {
  const answer = await fetch(url, { method, headers: { accept: MANIFEST_TYPE } })
  const header = answer.headers.get('www-authenticate') ?? ''
  equal(answer.status, 401)
  const parameter = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(header)?.[1] ?? ''
  return { realm: parameter('realm'), service: parameter('service'), scope: parameter('scope') }
}

/** As containerd posts it. */
async function post(
  { realm, service, scope }: Challenge,
  password: string,
  more: Record<string, string> = {}
): Promise<Response> {
  const credential = { username: USER, password }
  const form = {
    client_id: 'containerd-client',
    grant_type: 'password',
    service,
    scope,
    ...credential,
    ...more
  }
  return fetch(realm, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: new URLSearchParams(form).toString()
  })
}

/** As containerd asks without a password, and with one where the form was refused. */
async function ask({ realm, service, scope }: Challenge, password?: string): Promise<Response> {
  const headers = password === undefined ? {} : basic(password)
  return fetch(`${realm}?${new URLSearchParams({ service, scope })}`, { headers })
}

async function tokenOf(answer: Response): Promise<string> {
  equal(answer.status, 200)
  const { token } = JSON.parse(await answer.text())
  tokens.push(token)
  return token
}

async function statusWith(token: string, url: string): Promise<number> {
  return (await fetch(url + path, { headers: bearer(token) })).status
}

function bearer(token: string): Record<string, string> {
  return { accept: MANIFEST_TYPE, authorization: `Bearer ${token}` }
}

function basic(password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${USER}:${password}`).toString('base64')}` }
}

interface Answer {
  status: number
  body: string
}

/** One of the processes answers: the others are stopped meanwhile, and the connection is new. */
async function by(
  worker: number,
  workers: readonly number[],
  url: string,
  headers: Record<string, string>
): Promise<Answer> {
  const others = workers.filter((each) => each !== worker)
  for (const other of others) process.kill(other, 'SIGSTOP')
  try {
    return await new Promise((resolve, reject) => {
      const request = get(url, { agent: false, headers, timeout: 10_000 }, async (answer) => {
        resolve({ status: answer.statusCode ?? 0, body: await text(answer) })
      })
      request.on('timeout', () => request.destroy(new Error('no answer within 10 s')))
      request.on('error', reject)
    })
  } finally {
    for (const other of others) process.kill(other, 'SIGCONT')
  }
}
