import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makingFolder, makingId } from '../../storage/filesystem/making.ts'

/** The folder of a store in which files of this key are in the making, by what their names have behind its id. */
export function inTheMaking(key: string, files: Record<string, string>) {
  const id = makingId(key)
  const named = Object.entries(files).map(([rest, content]) => [`${id}@${rest}`, content])
  return { '@uploads': { [makingFolder(id)]: Object.fromEntries(named) } }
}

/** Where they lie. */
export const makingPath = (root: string, key: string): string =>
  join(root, '@uploads', makingFolder(makingId(key)))

/** What the names of those that are there have behind the id. */
export function makingNames(root: string, key: string): string[] {
  return readdirSync(makingPath(root, key)).map((name) => name.slice(name.indexOf('@') + 1))
}
