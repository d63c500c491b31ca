import type { Test } from 'tap'
import { type Answer, refusal } from '../../http/support.ts'
import { HOST } from '../world.ts'
import { nowhere, requestsOf } from './requests.ts'
import type { Form, Scene } from './scene.ts'
import { type CallerName, expected, type Outcome, type Row } from './table.ts'

const CHALLENGES: Partial<Record<Outcome, string>> = {
  login: '',
  wrong: ',error="invalid_token"',
  scope: ',error="insufficient_scope"'
}

/** What a request that needs this must have in its scope, and what a challenge asks for. */
export function scopeOf({ scope }: Row, name: string): string | undefined {
  if (scope === undefined) return undefined
  return scope === 'catalog' ? 'registry:catalog:*' : `repository:${name}:${scope}`
}

function challengeFor(outcome: Outcome, scope: string | undefined): string | undefined {
  const error = CHALLENGES[outcome]
  if (error === undefined) return undefined
  const asked = scope === undefined ? '' : `,scope="${scope}"`
  return `Bearer realm="http://${HOST}/openshift/token",service="berth"${asked}${error}`
}

const STATUSES: Partial<Record<Outcome, string>> = { denied: '403 DENIED', off: '405 UNSUPPORTED' }

function statusFor(outcome: Outcome, success: number, isHead: boolean): string {
  if (outcome === 'ok') return `${success}`
  const status = STATUSES[outcome] ?? '401 UNAUTHORIZED'
  return isHead ? status.slice(0, 3) : status
}

export interface Trial {
  row: Row
  caller: CallerName
  form: Form
  name: string
  /** Whether the repository is there, and in it what is asked for. */
  exists: boolean
}

/**
 * Sends a row's requests as a caller. Status, code, challenge and whether anything is stored must be as the table says;
 * what does not exist may be missing for whoever may know that.
 */
export async function judge(t: Test, it: Scene, trial: Trial): Promise<Answer[]> {
  const { row, caller, form, name, exists } = trial
  const scope = scopeOf(row, name)
  const authorization = await it.show(caller, form, scope === undefined ? [] : [scope])
  const outcome = expected(row, caller, form === 'JWT' ? 'token' : 'cluster')
  const answers: Answer[] = []
  const target = async () => (exists ? await it.fill(name) : nowhere(name))
  const count = requestsOf(row, nowhere(name)).length
  for (let index = 0; index < count; index++) {
    // Each finds what it is about untouched.
    const { method, url, status = row.status, headers, body } = requestsOf(row, await target()).at(index)!
    it.changes()
    const answer = await it.ask(method, url, {
      headers: { ...headers, ...(authorization !== undefined && { authorization }) },
      ...(body !== undefined && { body })
    })
    answers.push(answer)
    const changes = it.changes()
    const what = `${caller} (${form}) ${method} ${url}: ${outcome}`
    if (outcome === 'ok' && !exists) {
      t.notMatch(`${answer.statusCode}`, /^(401|403|5..)$/, what)
      continue
    }
    const is = method === 'HEAD' || answer.statusCode < 400 ? `${answer.statusCode}` : refusal(answer)
    t.same(
      { is, challenge: answer.headers['www-authenticate'] },
      { is: statusFor(outcome, status, method === 'HEAD'), challenge: challengeFor(outcome, scope) },
      what
    )
    if (outcome === 'ok' && row.changes) t.not(changes.length, 0, `${what}, and changes something`)
    else t.same(changes, [], `${what}, and changes nothing`)
  }
  return answers
}
