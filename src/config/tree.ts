/** What a file or a variable says before anything is known of its meaning, and where it says so. */
export type Node = Leaf | Section | Items

export interface Leaf {
  kind: 'leaf'
  /** As it was written, without quotes; empty for YAML's null. */
  text: string
  /** `config.yml:3`, or the name of a variable. */
  origin: string
}

export interface Section {
  kind: 'section'
  entries: Map<string, Node>
  origin: string
}

export interface Items {
  kind: 'items'
  items: Node[]
  origin: string
}

export const leaf = (text: string, origin: string): Leaf => ({ kind: 'leaf', text, origin })

export const section = (origin: string, entries: Iterable<[string, Node]> = []): Section => ({
  kind: 'section',
  entries: new Map(entries),
  origin
})

/** A value that was left empty counts as none, as templates leave it. */
export function isEmpty(node: Node): boolean {
  if (node.kind === 'leaf') return node.text.trim() === ''
  return (node.kind === 'section' ? [...node.entries.values()] : node.items).every(isEmpty)
}

export const isEmptyLeaf = (node: Node): boolean => node.kind === 'leaf' && isEmpty(node)

/** The items of a list. Variables make it of parts that are numbered from 0, where there was none. */
export function itemsOf(node: Node): Node[] | undefined {
  if (node.kind === 'items') return node.items
  if (node.kind === 'leaf') return undefined
  const items = [...node.entries.keys()].map((_, index) => node.entries.get(`${index}`))
  return items.every((item) => item !== undefined) ? items : undefined
}

/** The node at a path such as `http.addr`, if there is one. */
export function at(root: Node, path: string): Node | undefined {
  let node: Node | undefined = root
  for (const key of path.split('.')) node = node?.kind === 'section' ? node.entries.get(key) : undefined
  return node
}

/** These take one of several drivers: `storage: s3` is short for `storage: {s3: {}}`. */
const CHOICES = new Set(['storage', 'auth'])

/** Puts a value at a path, in place of what was there; not below a value that has no parts. */
export function put(root: Section, path: readonly string[], value: Node): void {
  let parent: Node = root
  for (const [depth, key] of path.slice(0, -1).entries()) {
    const next = step(parent, key, depth === 0 && CHOICES.has(key), value.origin)
    if (next === undefined) return
    parent = next
  }
  const last = path.at(-1) ?? ''
  if (parent.kind === 'section') parent.entries.set(last, value)
  else if (parent.kind === 'items' && isIndex(last, parent.items)) parent.items[Number(last)] = value
}

/** The part that a key names; made if there is none. */
function step(parent: Node, key: string, isChoice: boolean, origin: string): Node | undefined {
  if (parent.kind === 'leaf') return undefined
  const found =
    parent.kind === 'section'
      ? parent.entries.get(key)
      : parent.items[isIndex(key, parent.items) ? Number(key) : -1]
  if (found !== undefined && !isEmptyLeaf(found) && !(isChoice && found.kind === 'leaf')) return found
  const chosen = isChoice && found?.kind === 'leaf' ? found.text.trim() : ''
  const made =
    found === undefined || chosen === ''
      ? section(origin)
      : section(found.origin, [[chosen, section(found.origin)]])
  if (parent.kind === 'section') parent.entries.set(key, made)
  else if (isIndex(key, parent.items)) parent.items[Number(key)] = made
  else return undefined
  return made
}

/** Of an item of the list, or of the one that would be next. */
const isIndex = (key: string, items: Node[]): boolean => /^\d{1,6}$/.test(key) && Number(key) <= items.length
