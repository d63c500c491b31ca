import { createRegistry, type Registry, type RegistryOptions } from '../../src/registry/registry.ts'
import type { Answer, Siblings } from '../../src/registry/siblings.ts'
import type { StorageDriver } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { type Call, type Interpose, interposed } from './interposed.ts'

interface FamilyOptions {
  storage?: StorageDriver
  before?: Interpose
  pause?: NonNullable<RegistryOptions['pause']>
}

interface Family {
  /** The first one leads. */
  registries: Registry[]
  /** Those that reached the storage. */
  calls: Call[]
}

/** A throw is no answer. */
async function answerOf(answer: Answer | undefined, question: string): Promise<string | undefined> {
  try {
    return await answer?.(question)
  } catch {
    return undefined
  }
}

/** For processes that answer one another at once. */
export function relatives(count: number): Siblings[] {
  const members: Map<string, Answer>[] = []
  function join(): Siblings {
    const own = new Map<string, Answer>()
    members.push(own)
    return {
      onQuestion: (topic, answer) => own.set(topic, answer),
      async ask(topic, question) {
        const others = members.filter((member) => member !== own)
        const answers = await Promise.all(others.map(async (other) => answerOf(other.get(topic), question)))
        return answers.filter((answer) => answer !== undefined)
      }
    }
  }
  return Array.from({ length: count }, join)
}

/** Registries over one storage, each as in a process of its own. */
export function family(count: number, options: FamilyOptions = {}): Family {
  const { before = () => {}, storage: bare = memoryStorage(), pause = async () => {} } = options
  const calls: Call[] = []
  const storage = interposed(bare, (call) => {
    calls.push(call)
    return before(call)
  })
  const registries = relatives(count).map((siblings, index) =>
    createRegistry(storage, { siblings, leads: index === 0, pause })
  )
  return { registries, calls }
}
