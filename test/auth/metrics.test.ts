import t from 'tap'
import { bearer, world } from './world.ts'

const PATH = '/extensions/v2/metrics'

t.test(
  'without a secret the cluster decides who may read metrics, and a refusal says what is missing',
  async (t) => {
    const { cluster, ask } = await world(t)
    const reader = cluster.addServiceAccount('monitoring', 'prometheus')
    cluster.grant('system:serviceaccount:monitoring:prometheus', 'prometheus-scraper')
    const other = cluster.addUser('otto')
    t.equal((await ask('GET', PATH, { headers: { authorization: bearer(reader) } })).body, 'metrics\n')
    const refused = await ask('GET', PATH, { headers: { authorization: bearer(other) } })
    t.equal(refused.statusCode, 403)
    t.match(
      refused.body,
      /otto may not read the metrics of this registry.*registry\/metrics cluster-wide.*prometheus-scraper/
    )
    const nobody = await ask('GET', PATH)
    t.equal(nobody.statusCode, 401)
    t.match(nobody.headers['www-authenticate'], /^Bearer realm=/)
  }
)

t.test('with a secret nobody asks the cluster about what is shown', async (t) => {
  const { cluster, ask } = await world(t, { metricsSecret: 'sesame' })
  const reader = cluster.addServiceAccount('monitoring', 'prometheus')
  cluster.grant('system:serviceaccount:monitoring:prometheus', 'prometheus-scraper')
  const before = JSON.stringify(cluster.calls())
  t.equal((await ask('GET', PATH, { headers: { authorization: bearer('sesame') } })).statusCode, 200)
  for (const shown of ['sesame1', reader]) {
    t.equal((await ask('GET', PATH, { headers: { authorization: bearer(shown) } })).statusCode, 401)
  }
  t.equal(JSON.stringify(cluster.calls()), before)
})
