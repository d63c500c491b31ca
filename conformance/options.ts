import { parseArgs } from 'node:util'

export const USAGE = `npm run conformance -- [OPTIONS]

Judges a container registry by its URL, case by case. Without --url it starts berth on a free port.

  --url URL               the registry, such as http://127.0.0.1:5000
  --username U --password P   whom to log in as; otherwise OCI_USERNAME and OCI_PASSWORD, which others cannot read
  --repository NAME       what the repositories that it makes and clears begin with; otherwise "conformance"
  --filter REGEX          only the cases whose number or title matches, whatever the case of its letters
  --list                  what cases there are
  --seed WORD             the same names and content as in the run that printed this word
  --timeout SECONDS       for each request; 10 if not said
  --ca FILE, --insecure   trust these certificates (PEM), or any
  --junit FILE, --json FILE   where the results go; otherwise results/conformance/own/{junit.xml,results.json}
  --login                 the berth that is started here asks for a login
  --http2                 and it is asked by HTTP/2
  --official              the OCI's own suites in place of this one; they need Go. They choose their repositories and
                          cases themselves: of the above it takes --url, the login, --login and --http2

It ends with 0, with 1 when a case failed or could not judge, and with 2 when it was called wrongly or the registry
cannot be judged at all: nobody listens there, it asks for a login.`

export interface Options {
  url: URL | undefined
  username: string | undefined
  password: string | undefined
  repository: string
  filter: RegExp | undefined
  list: boolean
  seed: string | undefined
  timeoutMs: number
  ca: string | undefined
  insecure: boolean
  junit: string
  json: string
  login: boolean
  http2: boolean
  official: boolean
  help: boolean
}

/** Someone called the command wrongly; the message says how. */
export class BadUsage extends Error {
  override readonly name = 'BadUsage'
}

const STRING = { type: 'string' } as const
const FLAG = { type: 'boolean', default: false } as const

/** @throws BadUsage */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv = {}): Options {
  const values = readArgs(args)
  const { url, login, http2, official } = values
  if (url === undefined && values.username !== undefined) throw new BadUsage('--username takes --url')
  const isStarted = url === undefined // and then its login is made up
  const username = isStarted ? undefined : (values.username ?? env.OCI_USERNAME)
  const password = isStarted ? undefined : (values.password ?? env.OCI_PASSWORD)
  if ((username === undefined) !== (password === undefined))
    throw new BadUsage('--username takes --password, and OCI_USERNAME takes OCI_PASSWORD')
  if (url !== undefined && (login || http2)) {
    throw new BadUsage('--login and --http2 take no --url: they start berth')
  }
  if (official) {
    const others = [
      'filter',
      'list',
      'seed',
      'timeout',
      'ca',
      'insecure',
      'junit',
      'json',
      'repository'
    ] as const
    const wrong = others.find((name) => values[name] !== undefined && values[name] !== false)
    if (wrong !== undefined) throw new BadUsage(`--official takes no --${wrong}`)
  }
  if (values.list && (values.junit ?? values.json) !== undefined)
    throw new BadUsage('--list runs nothing, and takes no --junit and no --json')
  return {
    ...values,
    url: url === undefined ? undefined : parseUrl(url),
    username,
    password,
    repository: parseRepository(values.repository ?? 'conformance'),
    filter: values.filter === undefined ? undefined : parseRegExp(values.filter),
    seed: values.seed === undefined ? undefined : parseSeed(values.seed),
    timeoutMs: parseSeconds(values.timeout ?? '10'),
    ca: values.ca,
    junit: values.junit ?? 'results/conformance/own/junit.xml',
    json: values.json ?? 'results/conformance/own/results.json'
  }
}

function readArgs(args: readonly string[]) {
  try {
    const { values, tokens } = parseArgs({
      args: [...args],
      tokens: true,
      options: {
        url: STRING,
        username: STRING,
        password: STRING,
        repository: STRING,
        filter: STRING,
        list: FLAG,
        seed: STRING,
        timeout: STRING,
        ca: STRING,
        insecure: FLAG,
        junit: STRING,
        json: STRING,
        login: FLAG,
        http2: FLAG,
        official: FLAG,
        help: FLAG
      }
    })
    const names = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) throw new BadUsage(`--${twice} is given twice`)
    return values
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new BadUsage(`--url takes http://HOST:PORT or https://HOST, not ${text}`)
  }
  if (url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new BadUsage('--url takes a host and nothing more: no path, no query, no user')
  }
  return url
}

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/

/** What the suite adds to it has up to 60 characters, and registries end a name at 255. */
const LONGEST = 190

function parseRepository(text: string): string {
  if (!NAME.test(text)) throw new BadUsage(`--repository takes a repository's name such as a/b, not ${text}`)
  if (text.length > LONGEST)
    throw new BadUsage(`--repository takes up to ${LONGEST} characters, not ${text.length}`)
  return text
}

function parseRegExp(text: string): RegExp {
  try {
    return new RegExp(text, 'i')
  } catch (error) {
    throw new BadUsage(`--filter: ${(error as Error).message}`, { cause: error })
  }
}

function parseSeed(text: string): string {
  if (!/^[a-z0-9]{1,32}$/.test(text)) {
    throw new BadUsage(`--seed takes up to 32 lower-case letters and digits, not ${text}`)
  }
  return text
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= 3600))
    throw new BadUsage(`--timeout takes seconds, up to 3600, not ${text}`)
  return Math.ceil(seconds * 1000)
}
