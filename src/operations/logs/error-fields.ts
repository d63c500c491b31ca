import type { Fields } from './format.ts'

/** Causes of causes are followed so far. */
const DEEPEST = 5

/** Characters of a failure's text that tell it apart. */
const LONGEST_KIND = 1000

/** Places in berth's own files are shown from here. */
const CHECKOUT = new URL('../../../', import.meta.url).href

/**
 * What a line says of an error: its message and its causes', and where it came from. Other properties may hold what a
 * client or a server has said, and are left out.
 * @param message the line's, which is not said again
 */
export function errorFields(error: unknown, message: string): Fields {
  const chain = chainOf(error)
  const texts = chain.map(textOf).filter((text) => text !== message)
  const stack = chain.map(framesOf).findLast((frames) => frames !== '')
  return { error: texts.length === 0 ? undefined : texts.join(': '), stack }
}

/** By which failures are told apart, whatever they are about: names, numbers and digests do not count. */
export function kindOf(error: unknown, message: string): string {
  const { error: texts = '', stack = '' } = errorFields(error, message)
  const text = `${message} ${texts}`.slice(0, LONGEST_KIND)
  const template = text.replace(/'[^']*'|"[^"]*"|\/\S+|[0-9a-f]{8,}|\d+/g, '#')
  return `${template} ${`${stack}`.split('\n', 1)[0]}`
}

function chainOf(error: unknown): unknown[] {
  const chain = [error]
  for (
    let latest = error;
    latest instanceof Error && latest.cause !== undefined && chain.length < DEEPEST;
  ) {
    latest = latest.cause
    chain.push(latest)
  }
  return chain
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // One connection that was tried over several addresses has no message of its own.
  const several = error instanceof AggregateError ? error.errors.slice(0, DEEPEST).map(textOf).join(', ') : ''
  return [error.message, several].filter((text) => text !== '').join(': ') || error.name
}

/** The stack without its message, and without what is Node's own. */
function framesOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return `${error.stack}`
    .split('\n')
    .filter((line) => /^ {4}at /.test(line) && !/[( ]node:/.test(line))
    .map((line) => line.trim().replace(CHECKOUT, ''))
    .join('\n')
}
