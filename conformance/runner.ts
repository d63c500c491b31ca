import { type Case, createRemarks, type Level, type Stage } from './case.ts'
import { type Client, NoAnswer } from './client.ts'
import { createRandom } from './content.ts'
import { Failed, NotSetUp, Skipped } from './expect.ts'
import { type Credentials, LoginFailed, withLogin } from './login.ts'
import { createLeftovers, createRepository } from './repository.ts'

/**
 * `pass`: it keeps the requirement. `fail`: it breaks it. `skip`: it does not do this, and need not. `error`: the
 * case could not judge: what it needs first could not be had, or it has a fault of its own.
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

/** Runs the cases; results come in the cases' order, and `onResult` hears of each as soon as it is there. */
export async function runCases(
  cases: readonly Case[],
  subject: Subject,
  onResult: (result: Result) => void = () => {}
): Promise<Result[]> {
  const results: Result[] = new Array(cases.length)
  const queue = cases.entries()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const [index, one] of queue) {
        const result = await runCase(one, subject)
        results[index] = result
        onResult(result)
      }
    })
  )
  return results
}

async function runCase({ run, ...about }: Case, subject: Subject): Promise<Result> {
  const { registry, client, credentials, seed } = subject
  const random = createRandom(`${seed} ${about.id}`)
  const leftovers = createLeftovers(withLogin(client.send, registry, credentials), registry)
  const remarks = createRemarks()
  const place = `${subject.repository}/${seed}/${about.id.toLowerCase()}`
  let others = 0
  const repositoryAt = (name: string) => createRepository(registry, name, leftovers.watch, random)
  const stage: Stage = {
    registry,
    repository: repositoryAt(place),
    another() {
      others += 1
      return repositoryAt(`${place}-${others}`)
    },
    random,
    credentials,
    bare: client.send,
    should: remarks.should,
    note: remarks.note
  }

  const since = performance.now()
  let status: Status = 'pass'
  let message = ''
  try {
    await run(stage)
  } catch (error) {
    status = statusOf(error)
    message = error instanceof Error ? messageOf(error) : String(error)
  }
  const durationMs = Math.round(performance.now() - since)
  await leftovers.remove()
  return { ...about, status, message, notes: remarks.notes, durationMs }
}

function statusOf(error: unknown): Status {
  if (error instanceof Failed) return 'fail'
  if (error instanceof Skipped) return 'skip'
  // A registry that takes a connection and does not answer breaks whatever it was asked for.
  if (error instanceof NoAnswer) return error.connected ? 'fail' : 'error'
  return 'error'
}

function messageOf(error: Error): string {
  const isExpected = [Failed, Skipped, NotSetUp, NoAnswer, LoginFailed].some((kind) => error instanceof kind)
  return isExpected ? error.message : `a fault of the suite: ${error.stack}`
}
