import { build, type Lookup } from './build.ts'
import type { Reading } from './read.ts'
import { type Path, SETTINGS, type Setting } from './schema.ts'

/** What comes of a configuration that was read anew while berth runs. */
export interface Reloaded {
  /** Settings that may change while berth runs are as they are now, all others as they were. */
  readonly reading: Reading
  /** Settings that have changed and count. */
  readonly changed: readonly Path[]
  /** Names of those that count only when berth starts again. */
  readonly waiting: readonly string[]
}

export function reload(current: Reading, now: Reading): Reloaded {
  const isLive = (path: Path): boolean => (SETTINGS[path] as Setting).live === true
  const differs = (path: Path): boolean =>
    JSON.stringify(current.value(path)) !== JSON.stringify(now.value(path))
  const different = (Object.keys(SETTINGS) as Path[]).filter(differs)
  const value: Lookup = (path) => (isLive(path) ? now : current).value(path)
  const { choices } = current
  const other = (['auth', 'storage'] as const).filter((each) => now.choices[each] !== choices[each])
  return {
    reading: { ...now, value, choices, config: build(value, choices) },
    changed: different.filter(isLive),
    waiting: [...different.filter((path) => !isLive(path)), ...other]
  }
}
