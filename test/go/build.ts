import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type RunOptions, run } from '../integration/support/processes.ts'

interface Tool {
  /** The folder beside this file whose go.mod pins it. */
  folder: string
  /** What `go` is told, after which `-o FILE` and the package follow. */
  build: readonly string[]
  package: string
  /** A string variable of the program that is set to the version of this module which go.mod requires. */
  stamp?: { module: string; variable: string }
}

const CONFORMANCE = 'github.com/opencontainers/distribution-spec/conformance'

/** The tests' tools that are written in Go, each at the version that its go.mod names. */
const TOOLS = {
  'conformance-v1.1.1': { folder: 'conformance-v1.1.1', build: ['test', '-c'], package: CONFORMANCE },
  'conformance-2026-04': { folder: 'conformance-2026-04', build: ['test', '-c'], package: CONFORMANCE },
  containerd: { folder: 'containerd', build: ['build'], package: '.' }, // a program of ours over its library
  cosign: { folder: 'cosign', build: ['build'], package: 'github.com/sigstore/cosign/v2/cmd/cosign' },
  crane: {
    folder: 'crane',
    build: ['build'],
    package: 'github.com/google/go-containerregistry/cmd/crane'
  },
  distribution: {
    folder: 'distribution',
    build: ['build'],
    package: 'github.com/distribution/distribution/v3/cmd/registry'
  },
  'fake-gcs-server': {
    folder: 'fake-gcs-server',
    build: ['build'],
    package: 'github.com/fsouza/fake-gcs-server'
  },
  helm: { folder: 'helm', build: ['build'], package: 'helm.sh/helm/v4/cmd/helm' },
  'kube-apiserver': {
    folder: 'kube-apiserver',
    build: ['build'],
    package: 'k8s.io/kubernetes/cmd/kube-apiserver',
    // Otherwise it says that it is 0.0.0.
    stamp: { module: 'k8s.io/kubernetes', variable: 'k8s.io/component-base/version.gitVersion' }
  },
  minio: { folder: 'minio', build: ['build'], package: 'github.com/minio/minio' },
  oras: { folder: 'oras', build: ['build'], package: 'oras.land/oras/cmd/oras' },
  regctl: { folder: 'regctl', build: ['build'], package: 'github.com/regclient/regclient/cmd/regctl' },
  zot: {
    folder: 'zot',
    build: ['build', '-tags', 'containers_image_openpgp'], // its minimal form
    package: 'zotregistry.io/zot/cmd/zot'
  }
} as const satisfies Record<string, Tool>

export type ToolName = keyof typeof TOOLS

/** There is no `go` on the PATH. */
export class GoMissing extends Error {
  override readonly name = 'GoMissing'
  constructor(tool: string, options?: ErrorOptions) {
    super(`${tool} is built from source, and there is no go on the PATH: install Go 1.26 or newer`, options)
  }
}

/**
 * Builds a tool unless that was done before, and gives its path. What is built is kept outside the checkout,
 * under the versions that went into it. @throws GoMissing
 */
export async function goTool(name: ToolName): Promise<string> {
  const tool: Tool = TOOLS[name]
  const folder = join(import.meta.dirname, tool.folder)
  const { stdout: version } = await run('go', ['version'], { cwd: folder }).catch((error: unknown) => {
    if (isNotFound(error)) throw new GoMissing(name, { cause: error })
    throw error
  })
  const hash = createHash('sha256').update(version).update(JSON.stringify(tool))
  for (const file of (await readdir(folder)).sort()) hash.update(await readFile(join(folder, file)))
  const shelf = join(cacheFolder(), hash.digest('hex').slice(0, 16))
  const binary = join(shelf, name)
  if (await exists(binary)) return binary

  await mkdir(shelf, { recursive: true })
  const draft = `${binary}.${randomUUID()}`
  try {
    const env = { GOFLAGS: '-mod=readonly -buildvcs=false', CGO_ENABLED: '0', GOWORK: 'off' }
    const flags = await linkerFlags(tool, { cwd: folder, env })
    await run('go', [...tool.build, '-trimpath', ...flags, '-o', draft, tool.package], {
      cwd: folder,
      env,
      timeoutMs: 900_000
    })
    await rename(draft, binary)
  } finally {
    await rm(draft, { force: true })
  }
  return binary
}

/** The version of the module that a tool's program is in, or of another one that went into it. */
export async function builtVersion(binary: string, module?: string): Promise<string> {
  const { stdout } = await run('go', ['version', '-m', binary])
  for (const line of stdout.split('\n')) {
    const [, kind, name, version] = line.split('\t')
    const wanted = module === undefined ? kind === 'mod' : name === module
    if (wanted && version !== undefined) return version
  }
  throw new Error(`${binary} does not say of which version it is: ${stdout}`)
}

async function linkerFlags({ stamp }: Tool, options: RunOptions): Promise<string[]> {
  if (stamp === undefined) return []
  const { stdout } = await run('go', ['list', '-m', '-f', '{{.Version}}', stamp.module], options)
  return ['-ldflags', `-X ${stamp.variable}=${stdout.trim()}`]
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'berth', 'go-tools')
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
