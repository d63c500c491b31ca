import { Document, isCollection } from 'yaml'
import { PRESENT } from './drivers.ts'
import { variableOf } from './environment.ts'
import type { Reading } from './read.ts'
import { defaultOf, SETTINGS, type Setting } from './schema.ts'
import { at, isEmpty, leaf, type Node } from './tree.ts'

const MASK = '********'

/** Settings of one driver. */
const DRIVER = new RegExp(`^storage\\.(${PRESENT.storage.join('|')})\\.`)

/**
 * What holds, as a file that berth reads, with the place that says so beside each value. Secrets are masked; what has no
 * value is left out, as are settings of what was not chosen.
 */
export function printConfig({ config, root, file }: Reading): string {
  const document = new Document({})
  const add = (path: string, value: unknown, origin: string): void => {
    const node = document.createNode(value)
    node.comment = ` ${origin}`
    if (isCollection(node)) node.flow = true
    document.setIn(path.split('.'), node)
  }
  for (const [path, setting] of Object.entries<Setting>(SETTINGS)) {
    if (path.startsWith('auth.') && !path.startsWith(`auth.${config.auth}.`)) continue
    const [, driver] = DRIVER.exec(path) ?? []
    if (driver !== undefined && driver !== config.storage.driver) continue
    const given = at(root, path)
    const isGiven = given !== undefined && !isEmpty(given)
    const text = path === 'version' ? '0.1' : defaultOf(setting, file !== undefined)
    if (isGiven) add(path, setting.secret ? MASK : shown(setting, given), given.origin)
    else if (text !== undefined && text !== '') add(path, shown(setting, leaf(text, '')), 'default')
  }
  if (config.auth === 'none' || config.auth === 'openshift') {
    const auth = at(root, `auth.${config.auth}`) ?? at(root, 'auth')
    add('auth', config.auth, auth?.origin ?? variableOf('auth'))
  }
  return document.toString({ flowCollectionPadding: false, lineWidth: 0 })
}

/** As YAML has it: what berth understands otherwise, such as an address or a duration, stays as it was written. */
function shown({ type }: Setting, node: Node): unknown {
  const value = type.parse(node)
  if (node.kind !== 'leaf' || Array.isArray(value) || typeof value === 'boolean') return value
  const text = node.text.trim()
  if (value === '0.1' || (typeof value === 'number' && String(value) === text)) return Number(text)
  return typeof value === 'string' ? value : text
}
