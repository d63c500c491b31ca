import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLayout, type Layout } from './layout.ts'
import { type Output, run, scratch } from './processes.ts'
import { seeded } from './random.ts'
import { needCommands, needGoTool } from './steps.ts'

/** A client that somebody is logged in with, or nobody: it keeps its logins and what it pulled to itself. */
export interface Client {
  /** With a cluster's token any user will do: the token says who it is. */
  login(password: string, user?: string): Promise<void>
  /** Pushes `v1` of a small image, chart or artifact into `<namespace>/<name of the client>`, and gives its digest. */
  push(namespace: string): Promise<string>
  /** Pulls all of that, and gives the digest of what came. */
  pull(namespace: string): Promise<string>
  /** Deletes what has this digest there. Not every client can. */
  remove?(namespace: string, digest: string): Promise<void>
}

/** By its name, a client as it is after its installation. */
export type Clients = Record<'skopeo' | 'podman' | 'crane' | 'oras' | 'helm', () => Promise<Client>>

/** Where the registry is. */
export interface Target {
  /** `127.0.0.1:PORT` */
  host: string
  /** A folder with the certificate of its CA as `ca.crt`; without one it speaks plain HTTP. */
  trust?: string | undefined
}

/** Ends the check where it lacks one of them. */
export async function createClients(target: Target): Promise<Clients> {
  await needCommands('skopeo', 'podman', 'crun', 'tar')
  const [crane, oras, helm] = [await needGoTool('crane'), await needGoTool('oras'), await needGoTool('helm')]
  const image = await createLayout()
  const random = seeded('clients')
  const layers = [{ hello: Buffer.from('hello') }, { data: random.bytes(9000) }]
  const { digest } = await image.image('amd64', layers).then(async (found) => {
    await image.tag('v1', found)
    return found
  })
  return {
    skopeo: async () => skopeoClient(target, image),
    podman: async () => podmanClient(target, image),
    crane: async () => craneClient(crane, target, { folder: image.folder, digest }),
    oras: async () => orasClient(oras, target),
    helm: async () => helmClient(helm, target)
  }
}

function skopeoClient({ host, trust }: Target, image: Layout): Client {
  const authfile = join(scratch(), 'auth.json')
  const own = async (side = ''): Promise<string[]> => [
    ...['--authfile', await existing(authfile)],
    trust === undefined ? `--${side}tls-verify=false` : `--${side}cert-dir=${trust}`
  ]
  const at = (namespace: string): string => `docker://${host}/${namespace}/skopeo`
  return {
    async login(password, user = 'unused') {
      const args = ['login', ...(await own()), '-u', user, '--password-stdin', host]
      await run('skopeo', args, { input: password })
    },
    async push(namespace) {
      const digestFile = join(scratch(), 'digest')
      const flags = [...(await own('dest-')), '--preserve-digests', '--digestfile', digestFile]
      await run('skopeo', ['copy', ...flags, `oci:${image.folder}:v1`, `${at(namespace)}:v1`])
      return readFile(digestFile, 'utf8')
    },
    async pull(namespace) {
      const folder = scratch()
      const flags = [...(await own('src-')), '--preserve-digests']
      await run('skopeo', ['copy', ...flags, `${at(namespace)}:v1`, `oci:${folder}:v1`])
      return digestIn(folder)
    },
    async remove(namespace, digest) {
      await run('skopeo', ['delete', ...(await own()), `${at(namespace)}@${digest}`])
    }
  }
}

function podmanClient({ host, trust }: Target, image: Layout): Client {
  const folder = scratch()
  const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') }
  const own = [
    ...['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file']
  ]
  const tls = trust === undefined ? '--tls-verify=false' : `--cert-dir=${trust}`
  const podman = async (args: string[], input = ''): Promise<string> =>
    (await run('podman', [...own, ...args], { env, input })).stdout.trim()
  const at = (namespace: string): string => `${host}/${namespace}/podman:v1`
  return {
    async login(password, user = 'unused') {
      await podman(['login', tls, '-u', user, '--password-stdin', host], password)
    },
    async push(namespace) {
      await existing(env.REGISTRY_AUTH_FILE)
      const digestFile = join(scratch(), 'digest')
      const id = await podman(['pull', '-q', `oci:${image.folder}:v1`])
      await podman(['push', tls, '--digestfile', digestFile, id, `docker://${at(namespace)}`])
      return readFile(digestFile, 'utf8')
    },
    async pull(namespace) {
      await existing(env.REGISTRY_AUTH_FILE)
      const id = await podman(['pull', '-q', tls, at(namespace)])
      return podman(['image', 'inspect', '--format', '{{.Digest}}', id])
    }
  }
}

function craneClient(
  binary: string,
  { host, trust }: Target,
  { folder, digest }: { folder: string; digest: string }
): Client {
  const env = {
    DOCKER_CONFIG: scratch(),
    ...(trust !== undefined && { SSL_CERT_FILE: join(trust, 'ca.crt') })
  }
  const at = (namespace: string): string => `${host}/${namespace}/crane`
  return {
    async login(password, user = 'unused') {
      // It only remembers: whether the password is any good shows at the first request.
      const args = ['auth', 'login', '-u', user, '--password-stdin', host]
      await run(binary, args, { env, input: password })
    },
    async push(namespace) {
      await run(binary, ['push', folder, `${at(namespace)}:v1`], { env })
      return digest
    },
    async pull(namespace) {
      const pulled = join(scratch(), 'pulled')
      await run(binary, ['pull', '--format=oci', `${at(namespace)}:v1`, pulled], { env })
      return digestIn(pulled)
    },
    async remove(namespace, which) {
      await run(binary, ['delete', `${at(namespace)}@${which}`], { env })
    }
  }
}

async function orasClient(binary: string, { host, trust }: Target): Promise<Client> {
  const cwd = scratch()
  await writeFile(join(cwd, 'hello'), 'hello')
  const tls = trust === undefined ? ['--plain-http'] : ['--ca-file', join(trust, 'ca.crt')]
  const own = [...tls, '--registry-config', join(cwd, 'config.json')]
  const at = (namespace: string): string => `${host}/${namespace}/oras`
  return {
    async login(password, user = 'unused') {
      await run(binary, ['login', ...own, '-u', user, '--password-stdin', host], { input: password })
    },
    async push(namespace) {
      return digestSaid(await run(binary, ['push', ...own, `${at(namespace)}:v1`, 'hello'], { cwd }))
    },
    async pull(namespace) {
      return digestSaid(await run(binary, ['pull', ...own, '-o', scratch(), `${at(namespace)}:v1`]))
    },
    async remove(namespace, digest) {
      await run(binary, ['manifest', 'delete', ...own, '--force', `${at(namespace)}@${digest}`])
    }
  }
}

async function helmClient(binary: string, { host, trust }: Target): Promise<Client> {
  const cwd = scratch()
  const env = { HELM_CACHE_HOME: cwd, HELM_CONFIG_HOME: cwd, HELM_DATA_HOME: cwd }
  const own = trust === undefined ? ['--plain-http'] : ['--ca-file', join(trust, 'ca.crt')]
  await writeFile(join(cwd, 'Chart.yaml'), 'apiVersion: v2\nname: helm\nversion: 1.0.0\n')
  await run(binary, ['package', cwd, '-d', cwd], { env })
  return {
    async login(password, user = 'unused') {
      const args = ['registry', 'login', ...own, '-u', user, '--password-stdin', host]
      await run(binary, args, { env, input: password })
    },
    async push(namespace) {
      const chart = join(cwd, 'helm-1.0.0.tgz')
      return digestSaid(await run(binary, ['push', ...own, chart, `oci://${host}/${namespace}`], { env }))
    },
    async pull(namespace) {
      const chart = `oci://${host}/${namespace}/helm`
      return digestSaid(
        await run(binary, ['pull', ...own, '--version', '1.0.0', '-d', scratch(), chart], { env })
      )
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

/** Of the one image that a layout holds. */
async function digestIn(folder: string): Promise<string> {
  const { manifests } = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'))
  return manifests[0].digest
}

function digestSaid({ stdout, stderr }: Output): string {
  const digest = /^Digest: (sha256:[0-9a-f]{64})$/m.exec(stdout + stderr)?.[1]
  if (digest === undefined) throw new Error(`no digest in: ${stdout}${stderr}`)
  return digest
}
