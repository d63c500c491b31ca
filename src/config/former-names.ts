import { FORMER } from './drivers.ts'
import { at, isEmpty, itemsOf, type Node, put, type Section } from './tree.ts'

/** Where settings of the first OpenShift registries are today, and of distribution's. */
const MOVED: Readonly<Record<string, string>> = {
  loglevel: 'log.level',
  'auth.openshift.realm': 'openshift.auth.realm',
  'auth.openshift.tokenrealm': 'openshift.auth.tokenrealm',
  'auth.openshift.audit.enabled': 'openshift.audit.enabled'
}

/** Where options are today of the middleware that the first OpenShift registries had for repositories. */
export const MIDDLEWARE_OPTIONS: Readonly<Record<string, string>> = {
  enforcequota: 'openshift.quota.enabled',
  projectcachettl: 'openshift.quota.cachettl',
  acceptschema2: 'openshift.compatibility.acceptschema2',
  blobrepositorycachettl: 'openshift.cache.blobrepositoryttl',
  pullthrough: 'openshift.pullthrough.enabled',
  mirrorpullthrough: 'openshift.pullthrough.mirror',
  dockerregistryurl: 'openshift.server.addr'
}

/** Moves what has another place today, unless that place is taken. */
export function moveFormerNames(root: Section): void {
  for (const [former, name] of Object.entries(FORMER)) renameDriver(root, former, name)
  for (const [former, path] of Object.entries(MOVED)) {
    const keys = former.split('.')
    const last = keys.pop() ?? ''
    const parent = keys.length === 0 ? root : at(root, keys.join('.'))
    if (parent?.kind === 'section') move(root, parent, last, path)
  }
  for (const kind of ['registry', 'repository', 'storage']) {
    const node = at(root, `middleware.${kind}`)
    const own = (node && itemsOf(node)?.filter(isOpenshift)) ?? []
    for (const options of own.map((item) => at(item, 'options'))) {
      if (options?.kind !== 'section' || kind !== 'repository') continue
      for (const [key, path] of Object.entries(MIDDLEWARE_OPTIONS)) move(root, options, key, path)
    }
    // It is always there: to name it asks for nothing.
    for (const item of own) if (item.kind === 'section') item.entries.delete('name')
    if (node?.kind === 'items') node.items = node.items.filter((item) => !isEmpty(item))
  }
}

/** Not where both are there: of two drivers none is taken. */
function renameDriver(root: Section, former: string, name: string): void {
  const storage = root.entries.get('storage')
  if (storage?.kind === 'leaf' && storage.text.trim() === former) storage.text = name
  if (storage?.kind !== 'section' || storage.entries.has(name)) return
  const driver = storage.entries.get(former)
  if (driver === undefined) return
  storage.entries.delete(former)
  storage.entries.set(name, driver)
}

function move(root: Section, parent: Section, key: string, path: string): void {
  const node = parent.entries.get(key)
  if (node === undefined) return
  parent.entries.delete(key)
  if (at(root, path) === undefined) put(root, path.split('.'), node)
}

function isOpenshift(item: Node): boolean {
  const name = at(item, 'name')
  return name?.kind === 'leaf' && name.text.trim() === 'openshift'
}
