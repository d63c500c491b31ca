import { statfsSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { run } from '../test/integration/support/processes.ts'

/** What the figures depend on beside the contenders. */
export interface Machine {
  processors: string
  memory: string
  kernel: string
  /** Where everything is stored, and how. */
  storage: string
  /** Of the programs that make the load; absent where one is. */
  tools: Record<string, string>
}

const VERSIONS: Record<string, readonly string[]> = {
  wrk: ['wrk', '-v'],
  ab: ['ab', '-V'],
  curl: ['curl', '--version'],
  openssl: ['openssl', 'version']
}

/** @throws Error when the scratch folders are in memory, where nothing that is measured would be true */
export async function describeMachine(): Promise<Machine> {
  const { stdout } = await run('df', ['--output=fstype,source', tmpdir()])
  const [type = '', source = ''] = stdout.trim().split('\n').at(-1)?.split(/ +/) ?? []
  if (type === 'tmpfs' || type === 'ramfs') {
    throw new Error(`${tmpdir()} is in memory (${type}): set TMPDIR to a folder on a disk`)
  }
  const tools: Record<string, string> = {}
  for (const [name, [command = '', ...args]] of Object.entries(VERSIONS)) {
    const output = await run(command, args).catch((error) => error) // wrk says its version and ends with 1
    const text = `${output.stdout ?? ''}${output.stderr ?? ''}`.trim().split('\n')[0]
    const version = /\d+\.\d[\w.-]*/.exec(text ?? '')?.[0]
    if (version !== undefined) tools[name] = version
  }
  return {
    processors: `${cpus().length} × ${cpus()[0]?.model}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    kernel: `Linux ${release()}`,
    storage: `${tmpdir()}, ${type} on ${source}`,
    tools
  }
}

/** Bytes that may still be stored. */
export function freeSpace(): number {
  const { bavail, bsize } = statfsSync(tmpdir())
  return bavail * bsize
}
