import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A folder of files as a kubelet mounts a ConfigMap or a Secret: each is a link into `..data`, which is one itself. */
export interface ConfigMap {
  /** The path of one of its files. */
  path(name: string): string
  /** All files anew, from one moment to the next, as the kubelet does it. */
  replace(files: Record<string, string>): void
}

export function createConfigMap(folder: string, files: Record<string, string>): ConfigMap {
  let version = 0
  const place = (content: Record<string, string>): void => {
    version += 1
    const name = `..version${version}`
    mkdirSync(join(folder, name))
    for (const [file, text] of Object.entries(content)) writeFileSync(join(folder, name, file), text)
    symlinkSync(name, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  place(files)
  for (const file of Object.keys(files)) symlinkSync(join('..data', file), join(folder, file))
  return { path: (name) => join(folder, name), replace: place }
}
