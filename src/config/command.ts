import { nearest } from './nearest.ts'

/** What the command line asks for. */
export interface Command {
  /** `config` prints what holds, `check` only what is wrong. */
  readonly name: 'serve' | 'config' | 'check' | 'help' | 'version'
  readonly file: string | undefined
}

export const USAGE = `berth [serve] [FILE]         serves images
berth config [FILE]          prints the settings that hold, and where each comes from
berth config --check [FILE]  prints only what is wrong with them, and ends with 1 if anything is
berth --help, --version      prints this, or the version

FILE has the form of CNCF distribution's. Without it REGISTRY_CONFIGURATION_PATH names one, and without that none is
read. Variables such as REGISTRY_HTTP_ADDR outrank it. docs/configuration.md has all settings.`

/** What was given on the command line and means nothing there; the message has the usage. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  constructor(problem: string) {
    super(`${problem}\n\n${USAGE}`)
  }
}

/**
 * `FILE` and `serve FILE`, as distribution has them, or `config [--check] [FILE]`. A file that is called as a command is
 * goes by `./serve`.
 * @throws CommandError for anything else
 */
export function parseCommand(given: readonly string[]): Command {
  if (given.includes('--help') || given.includes('-h')) return { name: 'help', file: undefined }
  const [first, ...others] = given
  if (first === '--version' && others.length === 0) return { name: 'version', file: undefined }
  const rest = first === 'serve' || first === 'config' ? others : given
  const options = first === 'config' ? ['--check'] : []
  const files = rest.filter((argument) => !options.includes(argument))
  const wrong = files.find((file) => file.startsWith('-'))
  if (wrong !== undefined) {
    const best = nearest(wrong, options)
    throw new CommandError(
      `${wrong} is no option here${best === undefined ? '' : ` (did you mean ${best}?)`}`
    )
  }
  if (files.length > 1) throw new CommandError(`one file at most, not ${files.length}: ${files.join(', ')}`)
  const isCheck = first === 'config' && rest.includes('--check')
  return { name: isCheck ? 'check' : first === 'config' ? 'config' : 'serve', file: files[0] }
}
