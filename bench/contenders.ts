import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { goTool } from '../test/go/build.ts'
import {
  CHECKOUT,
  freePort,
  neutralEnvironment,
  type RunningServer,
  scratch,
  startDockerRegistry,
  startServer
} from '../test/integration/support/processes.ts'

/** How all contenders of a run are set up. */
export interface Setup {
  tls: boolean
  accessLog: boolean
}

export interface Contender {
  name: string
  /** What it is, in words. */
  title: string
  /** What it takes part in: everything, or only what needs no API. */
  kind: 'registry' | 'files'
  /** Over a folder that it may hold already. @throws when it cannot run here */
  start(root: string, setup: Setup): Promise<RunningServer>
}

export const CONTENDERS: readonly Contender[] = [
  {
    name: 'berth-1',
    title: 'berth, 1 process',
    kind: 'registry',
    start: (root, setup) => startBerth(root, setup, 1)
  },
  {
    name: 'berth-2',
    title: 'berth, 2 processes',
    kind: 'registry',
    start: (root, setup) => startBerth(root, setup, 2)
  },
  {
    name: 'distribution',
    title: 'CNCF distribution 3',
    kind: 'registry',
    start: async (root, setup) => startDistribution(root, setup, await goTool('distribution'))
  }
]

/** The start command of package.json, so that what is measured is what is started. */
async function startBerth(root: string, setup: Setup, processes: number): Promise<RunningServer> {
  const { scripts } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'))
  const port = await freePort()
  return startServer({
    command: 'sh',
    args: ['-c', scripts.start],
    env: {
      ...neutralEnvironment(),
      PATH: `${nodeOfItsOwn()}:${process.env.PATH}`,
      REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
      REGISTRY_HTTP_PROCESSES: `${processes}`,
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
      ...settings(setup)
    },
    scheme: setup.tls ? 'https' : 'http',
    port,
    root,
    ready: '/v2/'
  })
}

async function startDistribution(root: string, setup: Setup, command: string): Promise<RunningServer> {
  return startDockerRegistry(root, command, {
    // As its own example configuration and Debian's have it.
    env: { REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory', ...settings(setup) },
    scheme: setup.tls ? 'https' : 'http'
  })
}

/** By the names that CNCF distribution and berth share. */
function settings({ accessLog }: Setup): Record<string, string> {
  return { REGISTRY_LOG_ACCESSLOG_DISABLED: `${!accessLog}` }
}

/** A copy: memory that processes of a run share (a program's code above all) counts for each of them in part only,
 *  so that berth would look smaller next to a load that runs on the same file. */
function nodeOfItsOwn(): string {
  const folder = join(scratch(), 'bin')
  mkdirSync(folder)
  copyFileSync(process.execPath, join(folder, 'node'))
  return folder
}
