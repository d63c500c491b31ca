import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { goTool } from '../test/go/build.ts'
import { type Login, loginSettings } from '../test/integration/support/logins.ts'
import {
  CHECKOUT,
  type RunningServer,
  run,
  scratch,
  startBerth as startBerthWith,
  startDockerRegistry
} from '../test/integration/support/processes.ts'
import { isInstalled } from './commands.ts'
import { startNginx, startZot } from './peers.ts'
import { type Setup, settings } from './setup.ts'

export interface Contender {
  name: string
  /** What it is, in words. */
  title: string
  /** How it keeps things; `files` only serves them. */
  layout: 'distribution' | 'zot' | 'files'
  isBerth?: boolean
  /** What it asks for, unless everybody may come in. */
  login?: Login
  /** Builds or looks for what it takes and gives its version. @throws Error when it cannot run here */
  version(): Promise<string>
  /** Over a folder that it may have filled before. */
  start(root: string, setup: Setup): Promise<RunningServer>
}

const LOGIN: Login = { username: 'bench', password: 'a password' }

/** In the order of the tables. The reference is the first of those named that can run. */
export const CONTENDERS: readonly Contender[] = [
  berth(1),
  berth(2),
  berth(1, LOGIN),
  berth(2, LOGIN),
  {
    name: 'distribution',
    title: 'CNCF distribution 3',
    layout: 'distribution',
    version: async () => firstLine(await goTool('distribution'), '--version'),
    start: async (root, setup) => startDistribution(root, setup, await goTool('distribution'))
  },
  {
    name: 'docker-registry',
    title: "CNCF distribution 2, Debian's package",
    layout: 'distribution',
    version: () => firstLine('docker-registry', '--version'),
    start: (root, setup) => startDistribution(root, setup, 'docker-registry')
  },
  {
    name: 'zot',
    title: 'zot, its minimal form',
    layout: 'zot',
    version: async () => `zot ${await pinned('zot', 'zotregistry.io/zot')}, ${await goTool('zot')}`,
    start: async (root, setup) => startZot(root, setup, await goTool('zot'))
  },
  {
    name: 'nginx',
    title: 'nginx with sendfile, for pulls only',
    layout: 'files',
    version: () => firstLine('nginx', '-v'),
    start: startNginx
  }
]

/** CNCF distribution 3, or where it cannot be built what Debian has of it. */
export const REFERENCES: readonly string[] = ['distribution', 'docker-registry']

function berth(processes: number, login?: Login): Contender {
  return {
    name: `berth-${processes}${login === undefined ? '' : '-login'}`,
    title: `berth, ${processes} process${processes === 1 ? '' : 'es'}${login === undefined ? '' : ', htpasswd'}`,
    ...{ layout: 'distribution', isBerth: true, version: berthVersion },
    ...(login !== undefined && { login }),
    start: (root, setup) => startBerth(root, setup, processes, login)
  }
}

/** By the start command of package.json, so that what is measured is what is started. */
async function startBerth(
  root: string,
  setup: Setup,
  processes: number,
  login: Login | undefined
): Promise<RunningServer> {
  const { scripts } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'))
  return startBerthWith({
    root,
    command: ['sh', '-c', scripts.start],
    env: {
      PATH: `${nodeOfItsOwn()}:${process.env.PATH}`,
      REGISTRY_HTTP_PROCESSES: `${processes}`,
      ...(await settings(setup)),
      ...(login !== undefined && (await loginSettings(login)))
    }
  })
}

async function startDistribution(root: string, setup: Setup, command: string): Promise<RunningServer> {
  return startDockerRegistry(root, command, {
    // As its own example configuration and Debian's have it.
    env: { REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory', ...(await settings(setup)) },
    scheme: setup.tls ? 'https' : 'http'
  })
}

/** A copy: memory that processes of a run share (a program's code above all) counts for each of them in part only,
 *  so that berth would look smaller next to a load that runs on the same file. */
function nodeOfItsOwn(): string {
  const folder = join(scratch(), 'bin')
  mkdirSync(folder)
  copyFileSync(process.execPath, join(folder, 'node'))
  return folder
}

async function berthVersion(): Promise<string> {
  const commit = await run('git', ['describe', '--always', '--dirty'], { cwd: CHECKOUT }).then(
    ({ stdout }) => `commit ${stdout.trim()}`,
    () => 'no git checkout'
  )
  return `berth, ${commit}, Node ${process.version}`
}

async function pinned(folder: string, module: string): Promise<string | undefined> {
  const text = readFileSync(join(CHECKOUT, 'test', 'go', folder, 'go.mod'), 'utf8')
  return new RegExp(`^require ${module} (\\S+)`, 'm').exec(text)?.[1]
}

async function firstLine(command: string, argument: string): Promise<string> {
  if (!command.includes('/') && !isInstalled(command)) throw new Error(`there is no ${command} on the PATH`)
  const { stdout, stderr } = await run(command, [argument])
  return (stdout + stderr).split('\n')[0] ?? ''
}
