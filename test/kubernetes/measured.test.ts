import t from 'tap'
import { ApiForbidden, type ApiServer, ApiUnavailable } from '../../src/kubernetes/api-server.ts'
import { measuredApiServer } from '../../src/kubernetes/measured.ts'

t.test('each call is told of with its outcome, and ends as it would have', async (t) => {
  const told: string[] = []
  const api: ApiServer = {
    url: 'https://cluster',
    reviewToken: async () => ({ authenticated: false, error: '' }),
    reviewSelf: async () => undefined,
    reviewAccess: () => Promise.reject(new ApiForbidden('no')),
    namespaceUid: () => Promise.reject(new ApiUnavailable('silence')),
    close() {}
  }
  const measured = measuredApiServer(api, (call, outcome, seconds) => {
    told.push(`${call} ${outcome}`)
    t.ok(seconds >= 0)
  })
  t.same(await measured.reviewToken('x', []), { authenticated: false, error: '' })
  t.equal(await measured.reviewSelf('x'), undefined)
  await t.rejects(measured.reviewAccess({} as never, {} as never), ApiForbidden)
  await t.rejects(measured.namespaceUid('x'), ApiUnavailable)
  t.same(told, [
    'TokenReview answered',
    'SelfSubjectReview answered',
    'SubjectAccessReview forbidden',
    'Namespace unavailable'
  ])
})
