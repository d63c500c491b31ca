import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { given } from './config/build.ts'
import type { Config } from './config/config.ts'
import { type Reading, readConfig } from './config/read.ts'
import { reload } from './config/reload.ts'
import { defaultOf, type Path, SETTINGS } from './config/schema.ts'
import { follow } from './operations/follow.ts'
import type { Logger } from './operations/logs.ts'
import { inOneLine } from './operations/one-line.ts'

/** So often the file is looked at. */
const LOOK_MS = 5000

/** A file that has not changed for so long is not being written just now. */
const WRITING_MS = 100

export interface ReloadingOptions {
  /** What holds now. */
  reading: Reading
  /** Of the reading. */
  file: string
  env: Readonly<Record<string, string | undefined>>
  logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Makes a changed configuration hold. Resolves when nothing goes by the former one any more, which may take long. */
  apply(config: Config): Promise<void>
}

/** Takes up what changes in the file, also where a link to it or to its folder changes, as with a ConfigMap. */
export function followFile({ reading, file, env, logger, apply }: ReloadingOptions): {
  /** Reads it at once. */
  reload(): Promise<void>
} {
  let current = reading
  let text = '' // of the file when it was last read; it may have changed since the start
  let turn = Promise.resolve()
  let switches = 0 // of read-only mode

  async function take(isAsked: boolean): Promise<void> {
    let now: Reading
    try {
      text = await readFile(file, 'utf8')
      now = await readConfig(env, file)
    } catch (error) {
      logger.error(`the configuration stays as it was, since ${inOneLine((error as Error).message)}`)
      return
    }
    for (const warning of now.warnings) if (!current.warnings.includes(warning)) logger.warn(warning)
    const { reading, changed, waiting } = reload(current, now)
    current = reading
    if (waiting.length > 0) {
      logger.warn(`${file} has changed in what needs a restart to count: ${waiting.join(', ')}`)
    }
    if (changed.length > 0) {
      logger.info(`${file} was read anew: ${changed.map(told).join(', ')}`)
      const applied = apply(reading.config)
      if (changed.includes('storage.maintenance.readonly.enabled')) confirm(applied)
    } else if (isAsked && waiting.length === 0) logger.info(`${file} was read anew: nothing has changed`)
  }

  /** As it was written: no setting that may change is a secret, or has parts. */
  function told(path: Path): string {
    const node = given(current.root, path)
    return `${path} is ${node?.kind === 'leaf' ? node.text.trim() : defaultOf(SETTINGS[path], true)}`
  }

  /** What else is read meanwhile does not matter, but for a switch back. */
  async function confirm(applied: Promise<void>): Promise<void> {
    const mine = ++switches
    await applied
    if (mine !== switches || !current.config.storage.maintenance.readonly.enabled) return
    logger.info('read-only: no request that writes is open any more')
  }

  function inTurn(isAsked: boolean): Promise<void> {
    turn = turn.then(() => take(isAsked))
    return turn
  }

  follow({
    first: '',
    async read() {
      const now = await readFile(file, 'utf8')
      await pause(WRITING_MS)
      if (now !== (await readFile(file, 'utf8'))) throw new Error(`${file} is being written`)
      return now
    },
    isSame: (now) => now === text, // not what was seen here last: a signal may have come between
    onChange: () => inTurn(false),
    onProblem: (message) => logger.warn(`the configuration stays as it was: ${message}`),
    everyMs: LOOK_MS
  })
  return { reload: () => inTurn(true) }
}
