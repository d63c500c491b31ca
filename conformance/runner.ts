import { type Case, createRemarks, type Level, type Stage } from './case.ts'
import { type Answer, type Client, NoAnswer, type Send } from './client.ts'
import { createRandom } from './content.ts'
import { Failed, inWords, NotSetUp, Skipped } from './expect.ts'
import { type Credentials, LoginFailed, withLogin } from './login.ts'
import { createLeftovers, createRepository } from './repository.ts'

/**
 * `pass`: it keeps the requirement. `fail`: it breaks it. `skip`: it does not do this, and need not. `error`: the
 * case could not judge: what it needs first could not be had, it was not let in, nobody answered, the registry went
 * wrong where it need not do anything, or the case has a fault of its own.
 */
export type Status = 'pass' | 'fail' | 'skip' | 'error'

export interface Result {
  id: string
  level: Level
  section: string
  title: string
  status: Status
  /** What was sent, expected and got; empty when it passed. */
  message: string
  /** What is otherwise than it should be, but fails nothing. */
  notes: string[]
  /** Paths of what the case made and could not take away again. */
  left: string[]
  durationMs: number
}

export interface Subject {
  registry: URL
  client: Client
  credentials: Credentials | undefined
  /** All repositories of the suite lie below it. */
  repository: string
  /** Decides all content and names. */
  seed: string
}

/** So many cases at once: each has a repository of its own, so none can be in another's way. */
const AT_ONCE = 8

/** So many requests in a row without an answer: the registry is gone, and to wait for it in every case helps nobody. */
const GONE_AFTER = AT_ONCE

/** Runs the cases; results come in the cases' order. Once the signal aborts, what runs ends, and no more is begun. */
export async function runCases(
  cases: readonly Case[],
  subject: Subject,
  signal?: AbortSignal
): Promise<Result[]> {
  let unanswered = 0
  const send: Send = async (method, url, options) => {
    try {
      const answer = await subject.client.send(method, url, options)
      unanswered = 0
      return answer
    } catch (error) {
      unanswered = error instanceof NoAnswer && error.kind !== 'cut' ? unanswered + 1 : 0
      throw error
    }
  }
  const results: Result[] = new Array(cases.length)
  const queue = cases.entries()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const [index, one] of queue) {
        if (signal?.aborted) results[index] = notRun(one, 'the run was interrupted')
        else if (unanswered >= GONE_AFTER) results[index] = notRun(one, 'the registry had ceased to answer')
        else results[index] = await runCase(one, subject, send)
      }
    })
  )
  return results
}

async function runCase({ run, ...about }: Case, subject: Subject, send: Send): Promise<Result> {
  const { registry, credentials, seed } = subject
  const random = createRandom(`${seed} ${about.id}`)
  const heard: Heard = { broken: undefined, refused: new Set() }
  const watched: Send = async (...request) => {
    const answer = await send(...request)
    if (answer.status >= 500 && answer.status !== NOT_IMPLEMENTED) heard.broken ??= answer
    return answer
  }
  const loggedIn = withLogin(watched, registry, credentials)
  const asSomebody: Send = async (...request) => {
    const answer = await loggedIn(...request)
    if (REFUSED.includes(answer.status)) heard.refused.add(answer)
    return answer
  }
  const leftovers = createLeftovers(asSomebody, registry)
  const remarks = createRemarks()
  const place = `${subject.repository}/${seed}/${about.id.toLowerCase()}`
  let others = 0
  const noted = leftovers.watch(asSomebody)
  const repositoryAt = (name: string) => createRepository(registry, name, noted, random)
  const stage: Stage = {
    registry,
    repository: repositoryAt(place),
    another() {
      others += 1
      return repositoryAt(`${place}-${others}`)
    },
    random,
    credentials,
    bare: leftovers.watch(watched),
    should: remarks.should,
    note: remarks.note
  }

  const since = performance.now()
  const outcome = await run(stage).then(
    (): Outcome => ({ status: 'pass', message: '' }),
    (error: unknown) => outcomeOf(error, heard)
  )
  const durationMs = Math.round(performance.now() - since)
  return { ...about, ...outcome, notes: remarks.notes, left: await leftovers.remove(), durationMs }
}

type Outcome = Pick<Result, 'status' | 'message'>

/** What says that the registry lacks this, and not that it went wrong there. RFC 9110: "501 Not Implemented". */
const NOT_IMPLEMENTED = 501

/** What says nothing of a requirement: the suite, logged in or let in without, may not do this, or not so fast. */
const REFUSED = [401, 403, 429]

/** Of the answers during a case, those by which the registry says that something else than the requirement is wrong. */
interface Heard {
  /** The first by which it failed itself. */
  broken: Answer | undefined
  refused: Set<Answer>
}

/** What a case ends with, by what it threw: nothing else decides. */
function outcomeOf(error: unknown, { broken, refused }: Heard): Outcome {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Failed || error instanceof Skipped) {
    if (error.answer !== undefined && refused.has(error.answer)) return { status: 'error', message }
    if (error instanceof Failed) return { status: 'fail', message }
    if (broken === undefined) return { status: 'skip', message }
    return { status: 'error', message: `${broken.sent}: a failure of the registry's own: ${inWords(broken)}` }
  }
  if (error instanceof NoAnswer) return { status: error.kind === 'cut' ? 'fail' : 'error', message }
  if (error instanceof NotSetUp || error instanceof LoginFailed) return { status: 'error', message }
  const where = error instanceof Error ? error.stack : message
  return { status: 'error', message: `a fault of the suite: ${where}` }
}

function notRun({ run: _, ...about }: Case, why: string): Result {
  return { ...about, status: 'error', message: `not run: ${why}`, notes: [], left: [], durationMs: 0 }
}
