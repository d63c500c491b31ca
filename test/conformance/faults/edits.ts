import type { Seen, Told } from '../faulty.ts'

export const BLOB = /\/blobs\/sha256:/
export const MANIFEST = /\/manifests\//
export const UPLOAD = /\/blobs\/uploads\/[^?]/
export const WRONG_DIGEST = `sha256:${'0'.repeat(64)}`

export const plain = (status: number, headers: Record<string, string> = {}): Told => ({
  status,
  headers: { 'content-length': '0', ...headers },
  body: Buffer.alloc(0)
})

export const is = ({ method, path }: Seen, wanted: string, where: RegExp): boolean =>
  wanted.split('|').includes(method) && where.test(path)

/** A request for a token: with GET, or a form. */
export const isToken = (seen: Seen, method: string): boolean => is(seen, method, /^[^?]*\/token(\?|$)/)

export function editJson(told: Told, edit: (value: Record<string, unknown>) => unknown): void {
  if (told.status === 401) return // the suite logs in, and asks again
  told.body = Buffer.from(JSON.stringify(edit(JSON.parse(told.body.toString()))))
}

/** Says of each manifest that was refused that it was taken. */
export function takeRefused(told: Told, seen: Seen): void {
  if (is(seen, 'PUT', MANIFEST) && told.status === 400) told.status = 201
}

/** Answers with what was told the first time, for ever. */
export function remembers(told: Told, key: string, memory: Map<string, Told>): void {
  const first = memory.get(key)
  if (first === undefined) memory.set(key, { ...told, headers: { ...told.headers } })
  else Object.assign(told, first)
}
