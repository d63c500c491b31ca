import t from 'tap'
import { ANONYMOUS } from '../../src/auth/authority.ts'
import { explainDenial } from '../../src/auth/permissions.ts'

const PLACE = { namespace: 'team', name: 'app' }
const user = (username: string) => ({ username, uid: '', groups: [], extra: {} })

t.test('a refusal names who, what, the right and a command that grants it', async (t) => {
  t.equal(
    explainDenial(user('system:serviceaccount:ci:builder'), 'push', PLACE),
    'system:serviceaccount:ci:builder may not push to team/app: needs "update" on imagestreams/layers in namespace ' +
      '"team" (role registry-editor); an administrator grants it with: kubectl create rolebinding ' +
      'registry-editor-ci-builder --clusterrole=registry-editor --serviceaccount=ci:builder -n team'
  )
  t.match(
    explainDenial(user('pru'), 'prune'),
    / cluster-wide \(role system:image-pruner\).* create clusterrolebinding /
  )
})

t.test('two service accounts of one name are given bindings of two names', async (t) => {
  const binding = (username: string) =>
    /rolebinding (\S+)/.exec(explainDenial(user(username), 'pull', PLACE))?.[1]
  t.not(binding('system:serviceaccount:a:default'), binding('system:serviceaccount:b:default'))
})

t.test('whoever forgot to log in is told so, and nobody to let everybody push', async (t) => {
  t.match(
    explainDenial(ANONYMOUS, 'pull', PLACE),
    /\(role registry-viewer\); log in, or an administrator opens it to everybody with: kubectl create rolebinding system:image-puller-everybody --clusterrole=system:image-puller --group=system:unauthenticated --group=system:authenticated -n team$/
  )
  for (const permission of ['push', 'create', 'deleteTag', 'deleteContent', 'prune'] as const) {
    t.match(explainDenial(ANONYMOUS, permission, PLACE), /\(role [a-z:-]+\); log in$/)
  }
})
