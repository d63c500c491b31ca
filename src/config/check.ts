import { ABSENT, FORMER, PRESENT, RESERVED } from './drivers.ts'
import { isVariable, variableOf } from './environment.ts'
import { moveFormerNames } from './former-names.ts'
import { type Known, knownKeys } from './known.ts'
import { readMiddlewares } from './middleware.ts'
import { nearest } from './nearest.ts'
import type { Other } from './others.ts'
import { isDisabled, type Shape } from './sections.ts'
import { isEmpty, isEmptyLeaf, itemsOf, type Node, type Section } from './tree.ts'
import { boolean } from './values.ts'

type Chosen<C extends keyof typeof PRESENT> = (typeof PRESENT)[C][number] | 'wrong' | undefined

export interface Checked {
  /** A line each: where, what it must be, what to do. No values, which may be secrets. */
  readonly problems: string[]
  /** Names of settings that nothing comes of, by the reason. */
  readonly ignored: ReadonlyMap<string, readonly string[]>
  /** Names of what is no setting, with the nearest one that is. */
  readonly unknown: string[]
  /** The driver that was named, if one was; `wrong`, with a problem, for what berth does not have. */
  readonly storage: Chosen<'storage'>
  readonly auth: Chosen<'auth'>
}

const EXPECTED = {
  storage: 'filesystem, s3, gcs or azure, in lower case',
  auth: 'openshift (which any Kubernetes cluster is, too), htpasswd or none, in lower case'
}

/** How a message begins: the variable that says it, or the place and the setting. */
export const subject = (path: string, origin: string): string =>
  origin === variableOf(path) ? `${origin}:` : `${origin}: ${path}`

const isDriver = (choice: 'storage' | 'auth', name: string): boolean =>
  PRESENT[choice].some((each) => each === name) || name in FORMER || Object.hasOwn(ABSENT[choice], name)

/** Compares what was given with what berth knows. Moves in `root` what has another place today. */
export function check(root: Section): Checked {
  const { keys, sections } = knownKeys()
  const problems: string[] = []
  const ignored = new Map<string, string[]>()
  const unknown: string[] = []

  moveFormerNames(root)

  function visitAll(parent: Section, prefix: string): void {
    for (const [key, node] of parent.entries) {
      const path = prefix + key
      const known = keys.get(path)
      if (isEmptyLeaf(node)) continue
      if (known !== undefined) visit(path, node, known)
      else if (!sections.has(path)) visitUnknown(path, node)
      else if (node.kind === 'section') visitAll(node, `${path}.`)
      else if (node.kind === 'items' || !(path in PRESENT)) {
        const first = [...keys.keys(), ...sections].find((key) => key.startsWith(`${path}.`))
        addNoSection(path, node, first?.slice(path.length + 1).split('.')[0])
      }
    }
  }

  /** @param part a setting that may stand in it */
  function addNoSection(path: string, node: Node, part: string | undefined): void {
    const isSwitch = keys.has(`${path}.enabled`) && boolean.parse(node) !== undefined
    const such = isSwitch ? `enabled: ${boolean.parse(node)}` : part && `${part}: …`
    problems.push(
      `${subject(path, node.origin)} must be a section, ${such ? `such as {${such}}` : 'with settings of its own'}`
    )
  }

  function visitUnknown(path: string, node: Node): void {
    if (isEmpty(node)) return
    const { origin } = node
    // A section that nothing but variables below it have made is called nothing yet.
    if (node.kind === 'section' && origin !== variableOf(path) && isVariable(origin)) {
      for (const [key, part] of node.entries) visitUnknown(`${path}.${key}`, part)
    } else {
      const others = isVariable(origin) ? ['configuration.path'] : []
      addUnknown(path, origin, nearest(path, [...keys.keys(), ...sections, ...others]))
    }
  }

  function visitMiddlewares(node: Node): void {
    const found = readMiddlewares(node)
    for (const { path, node, text } of found.problems) problems.push(`${subject(path, node.origin)} ${text}`)
    for (const { path, node, best } of found.unknown) addUnknown(path, node.origin, best)
  }

  function visit(path: string, node: Node, { shape, other }: Known): void {
    const { origin } = node
    const isRight = fits(path, node, shape)
    if (isRight && path === 'middleware.storage') visitMiddlewares(node)
    if (!isRight || other === undefined || isEmpty(node) || isFine(node, other)) return
    if (other.ignored !== undefined) {
      const name = origin === variableOf(path) ? origin : `${path} (${origin})`
      ignored.set(other.ignored, [...(ignored.get(other.ignored) ?? []), name])
    } else {
      problems.push(
        `${subject(path, origin)} asks for what berth cannot do yet (${other.refused}); remove it`
      )
    }
  }

  function isFine(node: Node, { shape, fine = [] }: Other): boolean {
    if (node.kind !== 'leaf') return isDisabled(node)
    const value = 'parse' in shape ? shape.parse(node) : undefined
    return fine.includes(node.text.trim()) || fine.includes(String(value))
  }

  /** Whether it is what may stand here; if not, a problem says so. */
  function fits(path: string, node: Node, shape: Shape): boolean {
    if ('parse' in shape) {
      if (shape.parse(node) !== undefined) return true
      problems.push(`${subject(path, node.origin)} must be ${shape.expected}`)
      return false
    }
    if (isEmptyLeaf(node)) return true
    if ('each' in shape) {
      const items = itemsOf(node)
      if (items !== undefined)
        return items.map((item, index) => fits(`${path}.${index}`, item, shape.each)).every(Boolean)
      problems.push(`${subject(path, node.origin)} must be a list`)
      return false
    }
    if (node.kind !== 'section') {
      addNoSection(path, node, Object.keys(shape.parts)[0])
      return false
    }
    const fitting = [...node.entries].map(([key, part]) => {
      const known = Object.hasOwn(shape.parts, key) ? shape.parts[key] : undefined
      if (known !== undefined) return fits(`${path}.${key}`, part, known)
      const best = nearest(key, Object.keys(shape.parts))
      if (!isEmpty(part)) addUnknown(`${path}.${key}`, part.origin, best && `${path}.${best}`)
      return true
    })
    return fitting.every(Boolean)
  }

  function addUnknown(path: string, origin: string, best: string | undefined): void {
    if (origin === variableOf(path)) {
      unknown.push(best === undefined ? origin : `${origin} (did you mean ${variableOf(best)}?)`)
    } else {
      unknown.push(`${path} (${origin}${best === undefined ? '' : `; did you mean ${best}?`})`)
    }
  }

  function choose<C extends 'storage' | 'auth'>(choice: C): Chosen<C> {
    const node = root.entries.get(choice)
    if (node === undefined || isEmptyLeaf(node) || node.kind === 'items') return undefined
    const named: [string, string][] =
      node.kind === 'leaf'
        ? [[node.text.trim(), node.origin]]
        : [...node.entries].map(([name, { origin }]): [string, string] => [name, origin])
    const drivers = named.filter(([name]) => choice === 'auth' || !RESERVED.has(name))
    // A name that nobody knows is a slip, so that a second driver is no news.
    const slip = drivers.find(([name]) => !isDriver(choice, name))
    const [first, second] = slip === undefined ? drivers : [slip]
    if (first === undefined) return undefined
    const [name, origin] = first
    if (second !== undefined) {
      const all = drivers.map(([name, origin]) => `${name} (${origin})`).join(' and ')
      problems.push(
        `${choice} takes one of ${all}: remove the others, or set ${variableOf(choice)}, which replaces them`
      )
      return 'wrong'
    }
    const present = PRESENT[choice].find((each) => each === name)
    if (present !== undefined) return present
    const why = slip === undefined ? ABSENT[choice][name]?.why : undefined
    problems.push(`${subject(choice, origin)} must be ${EXPECTED[choice]}${why ? `; ${why}` : ''}`)
    return 'wrong'
  }

  const [storage, auth] = [choose('storage'), choose('auth')]
  visitAll(root, '')
  return { problems, ignored, unknown, storage, auth }
}
