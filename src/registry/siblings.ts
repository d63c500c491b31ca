/**
 * The other processes of this pod that serve the same storage. What each of them keeps in memory only (what it saw,
 * what it hashed) is asked for here. Questions and answers are short texts.
 */
export interface Siblings {
  /** Puts a question to all of them, and gives the answers of those that have one. One that dies has none, nor has
   *  one that stays silent for `patienceMs`. */
  ask(topic: string, question: string, patienceMs: number): Promise<string[]>
  /** How this process answers the others' questions on a topic. One `answer` a topic. */
  onQuestion(topic: string, answer: Answer): void
}

/** Undefined, or a throw, is no answer. */
export type Answer = (question: string) => Promise<string | undefined> | string | undefined

/** There are none: what is asked is answered by nobody. */
export const alone: Siblings = {
  ask: async () => [],
  onQuestion: () => {}
}

/**
 * Reads files at the start of a process. Where they are wrong by now, it goes on with what its siblings read when they
 * were right, as these do themselves.
 * @param topic on which siblings answer what they hold
 * @param parse takes such an answer
 * @throws what `read` throws, where no sibling holds anything
 */
export type Inherit = <T>(topic: string, read: () => Promise<T>, parse: (held: string) => T) => Promise<T>
