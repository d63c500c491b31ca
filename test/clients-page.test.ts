import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const SECTION = /^### (.+) \S+\n([\s\S]*?)(?=^###|<!-- end -->)/gm
const SENTENCE = /\bstep\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g

/** A sentence that a check may print; where it is made up of parts, what stands in the code for one is any text. */
function patternOf(sentence: string): RegExp {
  const parts = sentence.split(/\$\{.*?\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.+')}$`)
}

t.test('docs/clients.md tells of each check of a client what it tries, and of nothing else', async (t) => {
  const sections = new Map(
    [...read('docs/clients.md').matchAll(SECTION)].map(([, client = '', table = '']) => [
      client,
      [...table.matchAll(/^\| (.+) \| works \|$/gm)].map(([, sentence = '']) => sentence)
    ])
  )
  const checks = globSync('test/integration/clients/*.check.ts', { cwd: ROOT })
  t.equal(sections.size, checks.length)
  for (const path of checks) {
    const text = read(path)
    const [, , client = ''] = /client: (['"])(.+?)\1/.exec(text) ?? []
    const written = sections.get(client) ?? []
    const patterns = [...text.matchAll(SENTENCE)].map(([, , sentence = '']) => patternOf(sentence))
    t.ok(patterns.length > 0, path)
    for (const pattern of patterns) {
      t.ok(
        written.some((sentence) => pattern.test(sentence)),
        `${client}: ${pattern} is written down`
      )
    }
    for (const sentence of written) {
      t.ok(
        patterns.some((pattern) => pattern.test(sentence)),
        `${client}: "${sentence}" is tried`
      )
    }
  }
})
