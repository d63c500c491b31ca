import t, { type Test } from 'tap'
import { openAzureStore } from '../../../storage/azure.ts'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { newBlob, startFakeService } from './fake-service.ts'
import { optionsFor, surroundings } from './fresh.ts'

const PLAIN = 'docker/registry/v2/repositories/a/_manifests/tags/v1/current/link'

interface Case {
  there: string[]
  rootdirectory?: string
  legacyrootprefix?: boolean
  islegacy?: boolean
  /** What a name begins with, or what is said of the refusal. */
  expected: string | RegExp
  says: RegExp
}

const CASES: Record<string, Case> = {
  'an empty container is a new registry without the slash': {
    there: [],
    expected: 'docker/',
    says: /^info: .* is below "docker\/registry\/v2\/", a new one$/
  },
  'an empty container is one with the slash in OpenShift': {
    there: [],
    islegacy: true,
    expected: '/docker/',
    says: /^info: .* is below "\/docker\/registry\/v2\/", a new one$/
  },
  'a registry without the slash is found, in OpenShift too': {
    there: [PLAIN],
    islegacy: true,
    expected: 'docker/',
    says: /"docker\/registry\/v2\/", as it is there$/
  },
  'a registry with the slash is found': {
    there: [`/${PLAIN}`],
    expected: '/docker/',
    says: /"\/docker\/registry\/v2\/", as it is there$/
  },
  'two registries are refused': {
    there: [PLAIN, `/${PLAIN}`],
    expected:
      /two registries, one below "\/docker.* one below "docker.*storage\.azure\.legacyrootprefix, true for the first/,
    says: /^$/
  },
  'of two registries the parameter chooses the one with the slash': {
    there: [PLAIN, `/${PLAIN}`],
    legacyrootprefix: true,
    expected: '/docker/',
    says: /as storage\.azure\.legacyrootprefix says$/
  },
  'of two registries the parameter chooses the one without': {
    there: [PLAIN, `/${PLAIN}`],
    legacyrootprefix: false,
    islegacy: true,
    expected: 'docker/',
    says: /as storage\.azure\.legacyrootprefix says$/
  },
  'a parameter that hides a registry is told': {
    there: [PLAIN],
    legacyrootprefix: true,
    expected: '/docker/',
    says: /warn: nothing is below "\/docker.*registry below "docker/s
  },
  'what is elsewhere is no registry': {
    there: ['docker/other', '/docker/registry/v3/x', 'b/docker/registry/v2/x', '@uploads/1'],
    expected: 'docker/',
    says: /a new one$/
  },
  'a root directory comes after the slash': {
    there: [`/a/b/${PLAIN}`, PLAIN],
    rootdirectory: 'a/b/',
    expected: '/a/b/docker/',
    says: /"\/a\/b\/docker\/registry\/v2\/", as it is there$/
  },
  'a root directory that begins with a slash says nothing of it': {
    there: [`a/b/${PLAIN}`],
    rootdirectory: '/a/b',
    expected: 'a/b/docker/',
    says: /"a\/b\/docker\/registry\/v2\/", as it is there$/
  },
  'two registries below one root directory are refused': {
    there: [`/a/${PLAIN}`, `a/${PLAIN}`],
    rootdirectory: '/a',
    expected: /two registries, one below "\/a\/docker/,
    says: /^$/
  },
  'a slash is no root directory': {
    there: [`/${PLAIN}`],
    rootdirectory: '/',
    expected: '/docker/',
    says: /there$/
  }
}

for (const [title, { there, expected, says, ...more }] of Object.entries(CASES)) {
  t.test(title, async (t: Test) => {
    const service = await startFakeService(t)
    const container = service.createContainer()
    const blobs = service.containers.get(container) as NonNullable<ReturnType<typeof service.containers.get>>
    for (const name of there) blobs.set(name, newBlob(Buffer.from('x')))
    const around = surroundings()
    const opening = openAzureStore(optionsFor(service, container, more), around)
    if (expected instanceof RegExp) {
      await t.rejects(opening, { name: 'StorageUnavailable', message: expected })
      await t.rejects(opening, StorageUnavailable)
    } else {
      const store = await opening
      await store.put('docker/registry/v2/k', [Buffer.from('x')])
      t.ok(blobs.has(`${expected}registry/v2/k`), [...blobs.keys()].join(' '))
      t.equal(
        (await store.list('docker/registry/v2/k', { byFolder: false })).objects[0]?.key,
        'docker/registry/v2/k'
      )
    }
    t.match(around.lines.join('\n'), says)
  })
}
