export interface Keys {
  /** The store's key of one of the registry. */
  of(key: string): string
  /** The registry's key; undefined for what is outside of the root directory. */
  from(name: string): string | undefined
}

/** Below a root directory, whose slashes at both ends do not count, as CNCF distribution has it. */
export function keysBelow(rootdirectory: string | undefined): Keys {
  const root = (rootdirectory ?? '').replace(/^\/+|\/+$/g, '')
  const prefix = root === '' ? '' : `${root}/`
  return {
    of: (key) => prefix + key,
    from: (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined)
  }
}
