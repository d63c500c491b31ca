import t from 'tap'
import { judge } from './judge.ts'
import { requestsOf } from './requests.ts'
import { routesOf } from './routes.ts'
import { FORMS, scene } from './scene.ts'
import { CALLERS, CATALOG, rows } from './table.ts'

/** For probes: they have no action, since nobody judges them. */
const UNJUDGED = ['/', '/healthz', '/livez', '/readyz']

t.test('every route states its action, and the table knows it', async (t) => {
  const { routes } = await routesOf(() => scene(t))
  for (const { method, url, action } of routes) {
    if (action === 'none') continue
    const row = rows.find((row) => row.method === method && row.route === url)
    t.ok(row, `${method} ${url} is in the table`)
    t.equal(action, row?.action, `${method} ${url}`)
    t.equal(action === undefined, UNJUDGED.includes(url), `${method} ${url} states an action`)
  }
  for (const { method, route } of rows) {
    const isThere = routes.some((each) => each.method === method && each.url === route)
    t.ok(isThere, `${method} ${route} is a route`)
  }
})

t.test('who may do what', async (t) => {
  const it = await scene(t)
  for (const name of ['other/app', 'other/secret', 'team/app']) await it.fill(name)
  for (const row of rows) {
    for (const caller of CALLERS) {
      for (const form of FORMS) {
        const [answer] = await judge(t, it, { row, caller, form, name: 'team/app', exists: true })
        if (answer?.statusCode !== 200 || row.action !== 'catalog' || row.method !== 'GET') continue
        t.same(answer.json().repositories, CATALOG[caller], `the catalog of ${caller} (${form})`)
      }
    }
  }
})

t.test('a method that a path does not have is refused to everybody alike', async (t) => {
  const { made: it, routes } = await routesOf(() => scene(t))
  const target = await it.fill('team/app')
  for (const { method, url, action } of routes) {
    // The client of the tests cannot send these two.
    if (action !== 'none' || method === 'CONNECT' || method === 'TRACE') continue
    const row = { method, route: url } as (typeof rows)[number]
    const path = requestsOf(row, target)[0]?.url ?? ''
    for (const caller of CALLERS) {
      const authorization = await it.show(caller, 'Bearer', [])
      const headers = { 'content-type': 'text/plain', ...(authorization !== undefined && { authorization }) }
      const answer = await it.ask(method, path, { headers })
      // Fastify wants a QUERY to state what it sends, before a route is asked.
      t.equal(answer.statusCode, method === 'QUERY' ? 400 : 405, `${caller} ${method} ${url}`)
    }
    t.same(it.changes(), [], `${method} ${url} changes nothing`)
  }
})
