import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isListening } from './sockets.ts'
import { storageSettings, testStorage } from './storage.ts'
import { eventually } from './verdict.ts'
import { processTree } from './vitals.ts'

/** The folder that holds `package.json`. */
export const CHECKOUT = join(import.meta.dirname, '..', '..', '..')

const folders = new Set<string>()
const groups = new Set<number>()

/** What outlives this process is ended and removed with it, also when a signal ends it. */
let tidying = false
function tidyAtExit(): void {
  if (tidying) return
  tidying = true
  process.once('exit', () => {
    for (const pid of groups) killGroup(pid, 'SIGKILL')
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** A fresh, empty folder, removed when this process exits. */
export function scratch(): string {
  tidyAtExit()
  // Short and in lower case: podman and skopeo refuse other paths in places.
  const folder = join(tmpdir(), `berth-test-${randomUUID().slice(0, 8)}`)
  mkdirSync(folder, { mode: 0o700 })
  folders.add(folder)
  return folder
}

/** A loopback port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

export interface RunOptions {
  cwd?: string
  /** Added to this process's environment; `undefined` removes a variable. */
  env?: Record<string, string | undefined>
  /** What the command reads on its standard input; nothing otherwise. */
  input?: string | Uint8Array
  /** After so long the command and all it started are killed, and the call rejects; 120 s if not said. */
  timeoutMs?: number
}

export interface Output {
  stdout: string
  stderr: string
}

/** A command that ended with another status than 0, by a signal, or not in time. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  /** Undefined when a signal ended it. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string

  constructor(command: string, how: string, code: number | undefined, { stdout, stderr }: Output) {
    super(`${command}: ${how}\n${stdout}${stderr}`)
    this.code = code
    this.stdout = stdout
    this.stderr = stderr
  }
}

/** What a command wrote when it failed; it has to. */
export async function failure(attempt: Promise<unknown>): Promise<CommandFailed> {
  try {
    await attempt
  } catch (error) {
    if (error instanceof CommandFailed) return error
    throw error
  }
  throw new Error('it was allowed')
}

/** Runs a command to its end and gives what it wrote. @throws CommandFailed */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {}
): Promise<Output> {
  tidyAtExit()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe']
  })
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  child.stdout.on('data', (chunk: Buffer) => chunks.stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.stderr.push(chunk))
  child.stdin.on('error', () => {}) // a command may end without having read its input
  child.stdin.end(options.input)

  const timeoutMs = options.timeoutMs ?? 120_000
  let late = false
  const timer = setTimeout(() => {
    late = true
    if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL')
  }, timeoutMs)
  if (child.pid !== undefined) groups.add(child.pid)
  try {
    await once(child, 'close') // rejects when the command could not be started
  } finally {
    clearTimeout(timer)
    if (child.pid !== undefined) groups.delete(child.pid)
  }

  const output = {
    stdout: Buffer.concat(chunks.stdout).toString(),
    stderr: Buffer.concat(chunks.stderr).toString()
  }
  const { exitCode, signalCode } = child
  if (exitCode === 0 && !late) return output
  const how = late ? `killed after ${timeoutMs} ms` : `ended with ${exitCode ?? signalCode}`
  throw new CommandFailed([command, ...args].join(' '), how, exitCode ?? undefined, output)
}

/** A server that was started here, over a folder. */
export interface RunningServer {
  /** `http://127.0.0.1:PORT`, or with https, or another host. */
  url: string
  /** `127.0.0.1:PORT`, as clients write it before a repository's name. */
  host: string
  port: number
  /** Also the id of its process group. */
  pid: number
  /** The storage folder. */
  root: string
  /** From its start to its first answer 200. */
  startMs: number
  /** All it has written so far, both streams. */
  log(): string
  /** SIGTERM, then the end of the process; SIGKILL to the group when it takes more than 20 s. */
  stop(): Promise<void>
  /** Sends a signal to the whole process group, and waits for nothing. */
  kill(signal: NodeJS.Signals): void
  /** Ends when the process has, whatever ended it. */
  exited: Promise<void>
}

export interface ServerCommand {
  command: string
  args: string[]
  env: Record<string, string | undefined>
  /** The checkout if not said. */
  cwd?: string
  /** `http` if not said. */
  scheme?: 'http' | 'https'
  /** How it is reached, as a URL has it; 127.0.0.1 if not said. */
  host?: string
  port: number
  root: string
  /** A path that answers 200 once the server is up. */
  ready: string
  /** The certificate that is shown to ask for that, where one is needed. */
  client?: ClientCertificate | undefined
  /** How long that may take; 30 s if not said. */
  patienceMs?: number
}

/** PEM. */
export interface ClientCertificate {
  cert: Buffer
  key: Buffer
}

/** Starts a server, and waits until it answers. @throws Error with its log when it does not in time */
export async function startServer(server: ServerCommand): Promise<RunningServer> {
  tidyAtExit()
  // A file, not a pipe: a busy test must not hold up a server that logs.
  const logFile = join(scratch(), 'log')
  const log = (): string => readFileSync(logFile, 'utf8')
  const sink = openSync(logFile, 'a')
  const since = performance.now()
  const child = spawn(server.command, server.args, {
    cwd: server.cwd ?? CHECKOUT,
    env: server.env,
    detached: true,
    stdio: ['ignore', sink, sink]
  })
  closeSync(sink)
  const exited = once(child, 'exit').then(() => {})
  const { pid } = child
  if (pid === undefined) {
    await exited // rejects with the reason
    throw new Error(`${server.command} could not be started`)
  }
  groups.add(pid)
  exited.finally(() => groups.delete(pid))

  const host = `${server.host ?? '127.0.0.1'}:${server.port}`
  const url = `${server.scheme ?? 'http'}://${host}`
  await untilReady(child, url + server.ready, log, server)
  return {
    startMs: performance.now() - since,
    url,
    host,
    port: server.port,
    pid,
    root: server.root,
    log,
    exited,
    kill: (signal) => killGroup(pid, signal),
    async stop() {
      if (hasExited(child)) return
      child.kill('SIGTERM')
      const giveUp = new AbortController()
      const tooLate = sleep(20_000, undefined, { signal: giveUp.signal, ref: false }).catch(() => {})
      await Promise.race([exited, tooLate])
      giveUp.abort()
      killGroup(pid, 'SIGKILL') // also whatever it left behind
      await exited
    }
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function untilReady(
  child: ChildProcess,
  url: string,
  log: () => string,
  { client, patienceMs = 30_000 }: ServerCommand
): Promise<void> {
  const deadline = Date.now() + patienceMs
  while (Date.now() < deadline) {
    if (hasExited(child)) throw new Error(`${child.spawnargs.join(' ')} ended at its start:\n${log()}`)
    if ((await statusOf(url, client)) === 200) return
    await sleep(5)
  }
  if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL')
  throw new Error(`${url} did not answer 200 within ${patienceMs} ms:\n${log()}`)
}

/** Undefined while nobody listens. Whoever signed the certificate is believed. */
async function statusOf(url: string, client?: ClientCertificate): Promise<number | undefined> {
  return new Promise((resolve) => {
    const options = { agent: false, rejectUnauthorized: false, ...client }
    const request = (url.startsWith('https:') ? httpsGet : httpGet)(url, options, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    request.on('error', () => resolve(undefined))
  })
}

/** This process's environment without what would configure a registry, except how many processes a berth has. */
export function neutralEnvironment(): Record<string, string | undefined> {
  const isNeutral = (name: string): boolean =>
    !name.startsWith('REGISTRY_') || name === 'REGISTRY_HTTP_PROCESSES'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isNeutral(name)))
}

export interface BerthOptions {
  /** The storage folder; a fresh one if not said. */
  root?: string
  /** How it is reached, as a URL has it, and what it listens on unless `env` says otherwise; 127.0.0.1 if not said. */
  host?: string
  /** A free one if not said. */
  port?: number
  /** What starts it, with arguments; this Node on its sources if not said. */
  command?: readonly [string, ...string[]]
  /** More settings, over those for the address and the folder; `undefined` takes one of these away. */
  env?: Record<string, string | undefined>
  client?: ClientCertificate
}

/** Starts berth as `npm start` does, over a folder, and waits until all of its processes serve. */
export async function startBerth(options: BerthOptions = {}): Promise<RunningServer> {
  const root = options.root ?? scratch()
  const { host = '127.0.0.1' } = options
  const port = options.port ?? (await freePort())
  const env = { ...neutralEnvironment(), ...options.env }
  const sources = [process.execPath, '--max-semi-space-size=4', 'src/main.ts'] as const
  const [command, ...args] = options.command ?? sources
  const server = await startServer({
    command,
    args,
    ...(options.env?.REGISTRY_HTTP_TLS_KEY !== undefined && { scheme: 'https' as const }),
    env: {
      UV_THREADPOOL_SIZE: '32',
      NODE_COMPILE_CACHE: join(CHECKOUT, 'node_modules/.cache/compiled'),
      REGISTRY_HTTP_ADDR: `${host}:${port}`,
      ...storageSettings(root),
      ...env
    },
    host,
    port,
    root,
    ready: '/healthz',
    client: options.client
  })
  const processes = Number(env.REGISTRY_HTTP_PROCESSES || Math.min(4, availableParallelism()))
  if (processes > 1) {
    const workers = (): number[] => processTree(server.pid).slice(1)
    const serving = (): number => workers().filter((pid) => isListening(pid, port)).length
    await eventually(() => serving() === processes, 30_000, 10)
  }
  return server
}

/** What docker-registry reads, to serve or to collect garbage of a folder with deletions allowed. */
export function dockerRegistryConfig(root: string, port: number): string {
  const file = join(scratch(), 'config.yml')
  const config = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` }
  }
  writeFileSync(file, JSON.stringify(config)) // YAML holds JSON
  return file
}

/** What lets it use what berth uses in place of the folder of that file, where that is an object store. */
export function dockerRegistryEnvironment(root: string): Record<string, string | undefined> {
  const env = { ...neutralEnvironment(), OTEL_TRACES_EXPORTER: 'none', AWS_CA_BUNDLE: undefined }
  const storage = testStorage()
  if (storage === undefined) return env
  return {
    ...env,
    ...storageSettings(root),
    REGISTRY_STORAGE_DELETE_ENABLED: 'true',
    ...storage.distribution
  }
}

/** Starts CNCF distribution over a folder: Debian's (2.8) unless another program of it is named. */
export async function startDockerRegistry(
  root: string,
  command = 'docker-registry',
  { env, scheme = 'http' }: Pick<BerthOptions, 'env'> & Pick<ServerCommand, 'scheme'> = {}
): Promise<RunningServer> {
  const port = await freePort()
  return startServer({
    command,
    args: ['serve', dockerRegistryConfig(root, port)],
    env: { ...dockerRegistryEnvironment(root), ...env },
    scheme,
    port,
    root,
    ready: '/' // 200 whether it asks for a login or not
  })
}
