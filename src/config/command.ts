import { ConfigError } from './config.ts'

/** What the command line asks for. */
export interface Command {
  /** `config` prints what holds, `check` its problems only. */
  readonly name: 'serve' | 'config' | 'check'
  readonly file: string | undefined
}

const USAGE = 'berth [serve] [FILE], or berth config [--check] [FILE]'

/**
 * `FILE` and `serve FILE`, as distribution has them, or `config [--check] [FILE]`. A file that is called as a command is
 * goes by `./serve`.
 * @throws ConfigError for anything else
 */
export function parseCommand(given: readonly string[]): Command {
  const [first, ...others] = given
  const isNamed = first === 'serve' || first === 'config'
  const rest = isNamed ? others : given
  const isCheck = first === 'config' && rest.includes('--check')
  const files = rest.filter((argument) => !(isCheck && argument === '--check'))
  if (files.length > 1 || files[0]?.startsWith('-'))
    throw new ConfigError([`the command line: must be ${USAGE}`])
  return { name: isCheck ? 'check' : first === 'config' ? 'config' : 'serve', file: files[0] }
}
