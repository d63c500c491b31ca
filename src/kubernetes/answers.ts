import type { UserInfo } from './user-info.ts'

/** Thrown by the parsers below: an answer that makes no sense allows no conclusion. */
export class NonsenseError extends Error {
  override name = 'NonsenseError'
}

type Fields = Readonly<Record<string, unknown>>

/** The fields of an object, none when the value is absent. @throws NonsenseError for anything else */
export function fieldsOf(value: unknown, what: string): Fields {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new NonsenseError(`${what} is no object`)
  return value as Fields
}

/** @throws NonsenseError */
export function textOf(value: unknown, what: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw new NonsenseError(`${what} is no text`)
  return value
}

/** @throws NonsenseError */
export function textsOf(value: unknown, what: string): readonly string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw new NonsenseError(`${what} is no list of texts`)
  }
  return value
}

/** @throws NonsenseError for what is neither true nor false */
export function isTrue(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new NonsenseError(`${what} is neither true nor false`)
  return value
}

/** @throws NonsenseError also for a user without a name */
export function parseUserInfo(value: unknown): UserInfo {
  const { username, uid, groups, extra } = fieldsOf(value, 'user')
  const name = textOf(username, 'username')
  if (name === '') throw new NonsenseError('user has no name')
  return {
    username: name,
    uid: textOf(uid, 'uid'),
    groups: textsOf(groups, 'groups'),
    extra: Object.fromEntries(
      Object.entries(fieldsOf(extra, 'extra')).map(([key, values]) => [key, textsOf(values, 'extra')])
    )
  }
}

/** What may be said aloud of a text that came over the line: one line, not endless, none of the secrets. */
export function quote(text: string, ...secrets: readonly (string | undefined)[]): string {
  let quoted = text
  for (const secret of secrets) if (secret) quoted = quoted.replaceAll(secret, '…')
  return quoted.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').slice(0, 300)
}
