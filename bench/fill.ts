import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Site } from './measure.ts'

/** Copies what a server has stored under other names: thousands of pushes would take each of them minutes. */

const DISTRIBUTION = join('docker', 'registry', 'v2', 'repositories')

/** Gives a tag's image the further tags. */
export function copyTag(
  { server, contender }: Site,
  repository: string,
  tag: string,
  copies: string[]
): void {
  if (contender.layout === 'distribution') {
    const folder = join(server.root, DISTRIBUTION, repository, '_manifests', 'tags')
    copyFolder(join(folder, tag), folder, copies)
    return
  }
  const file = join(server.root, repository, 'index.json')
  const index = JSON.parse(readFileSync(file, 'utf8'))
  const NAME = 'org.opencontainers.image.ref.name'
  const original = index.manifests.find((each: TaggedManifest) => each.annotations?.[NAME] === tag)
  for (const copy of copies) index.manifests.push({ ...original, annotations: { [NAME]: copy } })
  writeFileSync(file, JSON.stringify(index))
}

interface TaggedManifest {
  annotations?: Record<string, string>
}

/** The names are those of repositories beside it, without the path that they share. */
export function copyRepository(
  { server, contender }: Site,
  place: string,
  name: string,
  copies: string[]
): void {
  const folder = join(server.root, contender.layout === 'distribution' ? DISTRIBUTION : '', place)
  copyFolder(join(folder, name), folder, copies)
}

function copyFolder(from: string, to: string, names: string[]): void {
  const folders: string[] = ['']
  const files: { path: string; bytes: Buffer }[] = []
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const whole = join(entry.parentPath, entry.name)
    const path = whole.slice(from.length)
    if (entry.isDirectory()) folders.push(path)
    else files.push({ path, bytes: readFileSync(whole) })
  }
  for (const name of names) {
    for (const folder of folders) mkdirSync(join(to, name, folder), { recursive: true })
    for (const { path, bytes } of files) writeFileSync(join(to, name, path), bytes)
  }
}
