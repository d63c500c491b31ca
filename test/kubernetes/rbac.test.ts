import t from 'tap'
import { type Binding, isAllowed, type Rule } from './rbac.ts'

t.test('the fake decides as RBAC does', async (t) => {
  const alice = { username: 'alice', groups: ['devs'] }
  const layers = { group: 'image.openshift.io', resource: 'imagestreams', subresource: 'layers' }
  const pull = { verb: 'get', ...layers, namespace: 'team', name: 'app' }
  const rule: Rule = { verbs: ['get'], resources: ['imagestreams/layers'] }
  const bind = (rule: Rule, over: Partial<Binding> = {}): Binding => ({
    subject: { user: 'alice' },
    rules: [rule],
    namespace: 'team',
    ...over
  })
  const cases: [string, Binding, Parameters<typeof isAllowed>[2], boolean][] = [
    ['what a rule says', bind(rule), pull, true],
    [
      'resource and subresource as one text',
      bind(rule),
      { ...pull, resource: 'imagestreams/layers', subresource: '' },
      true
    ],
    ['another verb', bind(rule), { ...pull, verb: 'update' }, false],
    ['any verb', bind({ ...rule, verbs: ['*'] }), pull, true],
    ['another namespace', bind(rule), { ...pull, namespace: 'other' }, false],
    ['cluster-wide, where a namespace was given', bind(rule), { verb: 'get', ...layers }, false],
    ['everywhere', bind(rule, { namespace: undefined }), pull, true],
    [
      'everywhere, asked cluster-wide',
      bind(rule, { namespace: undefined }),
      { verb: 'get', ...layers },
      true
    ],
    ['another group of resources', bind(rule), { ...pull, group: '' }, false],
    [
      'no group of resources',
      bind(rule),
      { verb: 'get', resource: 'imagestreams/layers', namespace: 'team' },
      false
    ],
    ['any group of resources', bind({ ...rule, group: '*' }), { ...pull, group: 'apps' }, true],
    ['the resource without its subresource', bind(rule), { ...pull, subresource: '' }, false],
    ['a rule without the subresource', bind({ ...rule, resources: ['imagestreams'] }), pull, false],
    ['any resource', bind({ ...rule, resources: ['*'] }), pull, true],
    ['that subresource of any resource', bind({ ...rule, resources: ['*/layers'] }), pull, true],
    ['another subresource of any resource', bind({ ...rule, resources: ['*/status'] }), pull, false],
    ['a name', bind({ ...rule, names: ['app'] }), pull, true],
    ['another name', bind({ ...rule, names: ['web'] }), pull, false],
    [
      'a name, asked for none',
      bind({ ...rule, names: ['app'] }),
      { verb: 'get', ...layers, namespace: 'team' },
      false
    ],
    ['a group of users', bind(rule, { subject: { group: 'devs' } }), pull, true],
    ['another group of users', bind(rule, { subject: { group: 'alice' } }), pull, false],
    ['another user', bind(rule, { subject: { user: 'devs' } }), pull, false]
  ]
  for (const [title, binding, wanted, allowed] of cases) {
    t.equal(isAllowed([binding], alice, wanted), allowed, title)
  }
})
