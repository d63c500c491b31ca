import { ABSENT, PRESENT } from './drivers.ts'
import { OTHERS, type Other } from './others.ts'
import { SETTINGS, type Setting } from './schema.ts'
import type { Shape } from './sections.ts'

/** A key that may stand in a file; with neither setting nor other it is a parameter of a driver that is not there. */
export interface Known {
  readonly shape: Shape
  readonly setting?: Setting
  readonly other?: Other
}

/** Every key that berth knows, by its path, and every section that holds some. */
export function knownKeys(): { keys: Map<string, Known>; sections: Set<string> } {
  const keys = new Map<string, Known>()
  for (const [path, setting] of Object.entries<Setting>(SETTINGS)) {
    keys.set(path, { shape: setting.shape ?? setting.type, setting })
  }
  for (const [path, other] of Object.entries(OTHERS)) keys.set(path, { shape: other.shape, other })
  const sections = new Set<string>()
  for (const choice of ['storage', 'auth'] as const) {
    for (const name of PRESENT[choice]) sections.add(`${choice}.${name}`)
    for (const [name, { parameters }] of Object.entries(ABSENT[choice])) {
      sections.add(`${choice}.${name}`)
      for (const [key, shape] of Object.entries(parameters)) keys.set(`${choice}.${name}.${key}`, { shape })
    }
  }
  for (const path of keys.keys()) {
    for (let end = path.lastIndexOf('.'); end > 0; end = path.lastIndexOf('.', end - 1)) {
      sections.add(path.slice(0, end))
    }
  }
  return { keys, sections }
}
