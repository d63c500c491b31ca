import type { Answer, Send } from './client.ts'
import type { Random } from './content.ts'
import { type Expectation, mismatch } from './expect.ts'
import type { Credentials } from './login.ts'
import type { Repository } from './repository.ts'

/**
 * How binding a requirement is. Only what breaks a MUST fails: of the released specifications (OCI distribution 1.1.1,
 * OCI image 1.1.1, HTTP, and for logins distribution's token specification).
 */
export const LEVELS = {
  MUST: 'a registry must',
  SHOULD: 'a registry should',
  MAY: 'a registry may',
  draft: 'the specification’s main branch asks for it, no release does yet',
  clients: 'clients rely on it, the specification is weaker',
  docker: 'from the Docker registry protocol, before OCI'
} as const

export type Level = keyof typeof LEVELS

/** One numbered requirement, and how it is judged from outside. */
export interface Case {
  id: string
  level: Level
  /** The title of the specification's section that asks for it. */
  section: string
  /** A sentence that is true of a registry that passes. */
  title: string
  /** @throws Failed, Skipped, NotSetUp */
  run(stage: Stage): Promise<void>
}

/** What a case works with. Nothing of it is shared with other cases. */
export interface Stage {
  registry: URL
  repository: Repository
  another(): Repository
  random: Random
  /** Whom the suite logs in as, if anybody. */
  credentials: Credentials | undefined
  /** Sends without a login, and follows no challenge. */
  bare: Send
  /** Remarks on what is otherwise than expected, and fails nothing. Gives whether all was as expected. */
  should(answer: Answer, expectation: Expectation): boolean
  note(remark: string): void
}

/** The remarks of one case. */
export function createRemarks(): Pick<Stage, 'should' | 'note'> & { notes: string[] } {
  const notes: string[] = []
  return {
    notes,
    note: (remark) => notes.push(remark),
    should(answer, expectation) {
      const message = mismatch(answer, expectation)
      if (message !== undefined) notes.push(message)
      return message === undefined
    }
  }
}
