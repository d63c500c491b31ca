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

/** Processes that answer one another at once. */
export function family(count: number, options: FamilyOptions = {}): Family {
  const { before = () => {}, storage: bare = memoryStorage(), pause = async () => {} } = options
  const members: Map<string, Answer>[] = []
  const calls: Call[] = []
  const storage = interposed(bare, (call) => {
    calls.push(call)
    return before(call)
  })
  function join(): Siblings {
    const own = new Map<string, Answer>()
    members.push(own)
    return {
      onQuestion: (topic, answer) => own.set(topic, answer),
      async ask(topic, question) {
        const others = members.filter((member) => member !== own)
        const answers = await Promise.all(others.map((other) => other.get(topic)?.(question)))
        return answers.filter((answer) => answer !== undefined)
      }
    }
  }
  const registries = Array.from({ length: count }, (_, index) =>
    createRegistry(storage, { siblings: join(), leads: index === 0, pause })
  )
  return { registries, calls }
}
