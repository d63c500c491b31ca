import type { Answer } from './client.ts'

/** What a case finds of a registry, with the answer that shows it if it is one. */
abstract class Finding extends Error {
  readonly answer: Answer | undefined

  constructor(message: string, answer?: Answer) {
    super(message)
    this.answer = answer
  }
}

/** The registry breaks a rule that it must keep. */
export class Failed extends Finding {
  override readonly name = 'Failed'
}

/** The registry does not do this, and need not. */
export class Skipped extends Finding {
  override readonly name = 'Skipped'
}

/** What a case needs beforehand could not be had, so it says nothing about its own requirement. */
export class NotSetUp extends Error {
  override readonly name = 'NotSetUp'
}

export interface Expectation {
  status?: number | readonly number[]
  /** For each header its value, a pattern, or undefined when it must not be there. */
  headers?: Record<string, string | RegExp | undefined>
  body?: Uint8Array
  /** One of these codes is among the body's errors. */
  code?: string | readonly string[]
}

/** What is otherwise than expected, with what was sent; undefined when all is as expected. */
export function mismatch(
  answer: Answer,
  { status, headers = {}, body, code }: Expectation
): string | undefined {
  const { sent } = answer
  if (status !== undefined && ![status].flat().includes(answer.status)) {
    return `${sent}: expected ${[status].flat().join(' or ')}, got ${inWords(answer)}`
  }
  for (const [name, expected] of Object.entries(headers)) {
    const got = header(answer, name)
    const isRight = expected instanceof RegExp ? got !== undefined && expected.test(got) : got === expected
    if (!isRight)
      return `${sent}: expected ${name} ${said(expected)}, got ${said(got)} (with ${answer.status})`
  }
  if (body !== undefined && Buffer.compare(body, answer.body) !== 0) {
    return `${sent}: expected the ${body.length} bytes ${excerpt(body)}, got ${answer.body.length}: ${excerpt(answer.body)}`
  }
  if (code !== undefined) {
    const codes = errorCodes(answer)
    const wanted = [code].flat()
    if (!codes.some((one) => wanted.includes(one))) {
      return `${sent}: expected the error code ${wanted.join(' or ')}, got ${inWords(answer)}`
    }
  }
  return undefined
}

/** @throws Failed when the answer is otherwise */
export function must(answer: Answer, expectation: Expectation): void {
  const message = mismatch(answer, expectation)
  if (message !== undefined) throw new Failed(message, answer)
}

/** @throws Failed with the message when it does not hold */
export function mustHold(holds: boolean, message: string): void {
  if (!holds) throw new Failed(message)
}

/** @throws Skipped when the answer is otherwise: what follows is only for registries that answer so */
export function needs(answer: Answer, expectation: Expectation): void {
  const message = mismatch(answer, expectation)
  if (message !== undefined) throw new Skipped(message, answer)
}

/** @throws Failed */
export function fail(message: string, answer?: Answer): never {
  throw new Failed(message, answer)
}

/** @throws Skipped */
export function skip(message: string): never {
  throw new Skipped(message)
}

export function header(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name.toLowerCase()]
  return Array.isArray(value) ? value.join(', ') : value
}

/** The body as JSON. @throws Failed when it is none */
export function json(answer: Answer): unknown {
  try {
    return JSON.parse(answer.body.toString())
  } catch {
    return fail(`${answer.sent}: expected a body in JSON, got ${inWords(answer)}`, answer)
  }
}

/** The body as a JSON object. @throws Failed */
export function jsonObject(answer: Answer): Record<string, unknown> {
  const value = json(answer)
  if (!isObject(value)) fail(`${answer.sent}: expected a JSON object, got ${inWords(answer)}`, answer)
  return value
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The codes of an error body; none when it is not one. */
export function errorCodes(answer: Answer): string[] {
  try {
    const { errors } = JSON.parse(answer.body.toString())
    return Array.isArray(errors) ? errors.map((error) => String(error?.code)) : []
  } catch {
    return []
  }
}

/** Where the answer's Location leads. @throws Failed when there is none that can be understood */
export function locationOf(answer: Answer): URL {
  const location = header(answer, 'location')
  if (location === undefined || !URL.canParse(location, answer.url.href)) {
    fail(`${answer.sent}: expected a Location, got ${said(location)} (with ${answer.status})`, answer)
  }
  return new URL(location, answer.url)
}

/** The address with more of a query; what it has already is kept. */
export function withQuery(url: URL, query: Record<string, string>): URL {
  const longer = new URL(url)
  for (const [name, value] of Object.entries(query)) longer.searchParams.append(name, value)
  return longer
}

export function inWords({ status, body }: Answer): string {
  return body.length === 0 ? `${status}` : `${status} ${excerpt(body)}`
}

function said(value: string | RegExp | undefined): string {
  return value === undefined ? 'none' : value instanceof RegExp ? `like ${value}` : `"${value}"`
}

const EXCERPT = 200

function excerpt(body: Uint8Array): string {
  const text = Buffer.from(body.subarray(0, EXCERPT)).toString()
  const isText = !/[^\x20-\x7e\s]/.test(text)
  const shown = isText ? JSON.stringify(text.trim()) : Buffer.from(body.subarray(0, 16)).toString('hex')
  return body.length > (isText ? EXCERPT : 16) ? `${shown}…` : shown
}
