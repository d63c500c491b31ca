import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml'
import { leaf, type Node, section } from './tree.ts'

/** What is deeper has an alias that holds itself. */
const DEEPEST = 32

/** Most mistakes are text that YAML reads otherwise. */
const QUOTES = "text with special characters takes 'single quotes'"

const REMEDIES: Readonly<Record<string, string>> = {
  BAD_INDENT: 'indent what belongs together by as many spaces, and close each bracket',
  DUPLICATE_KEY: 'it may stand there once: remove the other, or bring their parts together',
  TAB_AS_INDENT: 'indent by spaces'
}

/** @param origin what to call a line, which counts from 1 */
type Origin = (line: number) => string

export type Parsed = { node: Node } | { problems: string[] }

/**
 * Text of one YAML document, with the origin of each part. A problem names its line and no text, which may be a secret.
 */
export function parseYaml(text: string, origin: Origin): Parsed {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })
  const problems: string[] = []
  const add = (offset: number, what: string, remedy = QUOTES): void => {
    const place = origin(lines.linePos(offset).line)
    problems.push(`${place}: is not YAML (${what}); ${remedy}`)
  }
  for (const { code, pos } of document.errors) {
    add(pos[0], code.toLowerCase().replaceAll('_', ' '), REMEDIES[code])
  }
  if (problems.length > 0) return { problems }

  function convert(given: unknown, from: string, depth: number): Node {
    const node = isAlias(given) ? given.resolve(document) : given
    if ((isAlias(given) && node === undefined) || depth > DEEPEST) {
      if (problems.length === 0) add((given as ParsedNode | null)?.range[0] ?? 0, 'bad alias')
      return leaf('', from)
    }
    if (isMap(node)) {
      const made = section(from)
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : ''
        const value = convert(pair.value, place(pair.key, from), depth + 1)
        if (key !== '<<') made.entries.set(key, value)
        else if (value.kind === 'section') made.entries = new Map([...value.entries, ...made.entries])
      }
      return made
    }
    if (isSeq(node)) {
      return {
        kind: 'items',
        items: node.items.map((item) => convert(item, place(item, from), depth + 1)),
        origin: from
      }
    }
    if (!isScalar(node) || node.value === null) return leaf('', from)
    return leaf(typeof node.value === 'string' ? node.value : (node.source ?? String(node.value)), from)
  }

  function place(node: unknown, otherwise: string): string {
    const start = (node as ParsedNode | null)?.range?.[0]
    return start === undefined ? otherwise : origin(lines.linePos(start).line)
  }

  const node = convert(document.contents, origin(1), 0)
  return problems.length > 0 ? { problems } : { node }
}
