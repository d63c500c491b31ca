import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLayout, type Layout } from '../support/layout.ts'
import { type Output, run, scratch } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool } from '../support/steps.ts'

/** A client that somebody is logged in with, or nobody: it keeps its logins and what it pulled to itself. */
export interface Client {
  login(token: string): Promise<void>
  /** Pushes `v1` of a small image, chart or artifact into `<namespace>/<name of the client>`. */
  push(namespace: string): Promise<void>
  /** Pulls all of that. */
  pull(namespace: string): Promise<void>
}

/** By its name, a client as it is after its installation. */
export type Clients = Record<'skopeo' | 'podman' | 'crane' | 'oras' | 'helm', () => Promise<Client>>

/** Logins take any user's name: the token says who it is. */
const USER = 'unused'

/** Clients of a registry without TLS, at `127.0.0.1:PORT`. Ends the check where it lacks one of them. */
export async function createClients(host: string): Promise<Clients> {
  await needCommands('skopeo', 'podman', 'crun', 'tar')
  const [crane, oras, helm] = [await needGoTool('crane'), await needGoTool('oras'), await needGoTool('helm')]
  const image = await createLayout()
  const random = seeded('kubernetes')
  await image.tag(
    'v1',
    await image.image('amd64', [{ hello: Buffer.from('hello') }, { data: random.bytes(9000) }])
  )
  return {
    skopeo: async () => skopeoClient(host, image),
    podman: async () => podmanClient(host, image),
    crane: async () => craneClient(crane, host, image),
    oras: async () => orasClient(oras, host),
    helm: async () => helmClient(helm, host)
  }
}

function skopeoClient(host: string, image: Layout): Client {
  const authfile = join(scratch(), 'auth.json')
  const at = (namespace: string): string => `docker://${host}/${namespace}/skopeo:v1`
  return {
    async login(token) {
      const args = [
        'login',
        '--authfile',
        authfile,
        '--tls-verify=false',
        '-u',
        USER,
        '--password-stdin',
        host
      ]
      await run('skopeo', args, { input: token })
    },
    async push(namespace) {
      const flags = ['--authfile', await existing(authfile), '--dest-tls-verify=false']
      await run('skopeo', ['copy', ...flags, `oci:${image.folder}:v1`, at(namespace)])
    },
    async pull(namespace) {
      const flags = ['--authfile', await existing(authfile), '--src-tls-verify=false']
      await run('skopeo', ['copy', ...flags, at(namespace), `oci:${scratch()}:v1`])
    }
  }
}

function podmanClient(host: string, image: Layout): Client {
  const folder = scratch()
  const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') }
  const own = [
    ...['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file']
  ]
  const podman = async (args: string[], input = ''): Promise<Output> =>
    run('podman', [...own, ...args], { env, input })
  const at = (namespace: string): string => `${host}/${namespace}/podman:v1`
  return {
    async login(token) {
      await podman(['login', '--tls-verify=false', '-u', USER, '--password-stdin', host], token)
    },
    async push(namespace) {
      await existing(env.REGISTRY_AUTH_FILE)
      const { stdout: id } = await podman(['pull', '-q', `oci:${image.folder}:v1`])
      await podman(['push', '--tls-verify=false', id.trim(), `docker://${at(namespace)}`])
    },
    async pull(namespace) {
      await existing(env.REGISTRY_AUTH_FILE)
      await podman(['pull', '-q', '--tls-verify=false', at(namespace)])
    }
  }
}

function craneClient(binary: string, host: string, image: Layout): Client {
  const env = { DOCKER_CONFIG: scratch() }
  const at = (namespace: string): string => `${host}/${namespace}/crane:v1`
  return {
    async login(token) {
      // It only remembers: whether the token is any good shows at the first request.
      await run(binary, ['auth', 'login', '-u', USER, '--password-stdin', host], { env, input: token })
    },
    async push(namespace) {
      await run(binary, ['push', image.folder, at(namespace)], { env })
    },
    async pull(namespace) {
      await run(binary, ['pull', at(namespace), join(scratch(), 'image.tar')], { env })
    }
  }
}

async function orasClient(binary: string, host: string): Promise<Client> {
  const cwd = scratch()
  await writeFile(join(cwd, 'hello'), 'hello')
  const own = ['--plain-http', '--registry-config', join(cwd, 'config.json')]
  const at = (namespace: string): string => `${host}/${namespace}/oras:v1`
  return {
    async login(token) {
      await run(binary, ['login', ...own, '-u', USER, '--password-stdin', host], { input: token })
    },
    async push(namespace) {
      await run(binary, ['push', ...own, at(namespace), 'hello'], { cwd })
    },
    async pull(namespace) {
      await run(binary, ['pull', ...own, '-o', scratch(), at(namespace)])
    }
  }
}

async function helmClient(binary: string, host: string): Promise<Client> {
  const cwd = scratch()
  const env = { HELM_CACHE_HOME: cwd, HELM_CONFIG_HOME: cwd, HELM_DATA_HOME: cwd }
  await writeFile(join(cwd, 'Chart.yaml'), 'apiVersion: v2\nname: helm\nversion: 1.0.0\n')
  await run(binary, ['package', cwd, '-d', cwd], { env })
  return {
    async login(token) {
      const args = ['registry', 'login', '--plain-http', '-u', USER, '--password-stdin', host]
      await run(binary, args, { env, input: token })
    },
    async push(namespace) {
      const chart = join(cwd, 'helm-1.0.0.tgz')
      await run(binary, ['push', '--plain-http', chart, `oci://${host}/${namespace}`], { env })
    },
    async pull(namespace) {
      const chart = `oci://${host}/${namespace}/helm`
      await run(binary, ['pull', '--plain-http', '--version', '1.0.0', '-d', scratch(), chart], { env })
    }
  }
}

/** Makes the file of logins unless somebody logged in: skopeo and podman refuse to go without the one they are told. */
async function existing(authfile: string): Promise<string> {
  await writeFile(authfile, '{}', { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  return authfile
}
