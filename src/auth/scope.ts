import { isName } from '../oci/name.ts'

/** What a scope may ask for, in the order in which it is written. */
const ACTIONS = ['pull', 'push', 'delete', '*'] as const

export type ScopeAction = (typeof ACTIONS)[number]

/** What a token is asked for, or grants. The only name of type `registry` is `catalog`, with the action `*`. */
export interface Access {
  readonly type: 'repository' | 'registry'
  readonly name: string
  /** Never empty, none twice, in the order pull, push, delete, `*`. */
  readonly actions: readonly ScopeAction[]
}

/** More repositories than a client names for one image and what it mounts from; each may cost a review. */
const MOST_SCOPES = 16

/** A class in parentheses is deprecated and says nothing. */
const TYPE = /^(repository|registry)(?:\([a-z0-9]+\))?$/

/**
 * The scopes of a token request, each value of which may hold several, separated by spaces. One entry for each
 * repository, in the order in which they are first named; at most 16, the rest is dropped, and so is whatever is no
 * scope, names no repository or asks for no known action. Distribution's token specification: "Token Scope".
 */
export function parseScopes(values: readonly string[]): Access[] {
  const asked = new Map<string, Access>()
  for (const scope of values.flatMap((value) => value.split(' '))) {
    const access = parseScope(scope)
    if (access === undefined) continue
    const { type, name } = access
    const key = `${type}:${name}`
    const known = asked.get(key)
    if (known !== undefined) {
      asked.set(key, { type, name, actions: inOrder([...known.actions, ...access.actions]) })
    } else if (asked.size < MOST_SCOPES) {
      asked.set(key, access)
    }
  }
  return [...asked.values()]
}

/** Whether these grant an action on what has this type and name. */
export function grants(
  access: readonly Access[],
  type: Access['type'],
  name: string,
  action: ScopeAction
): boolean {
  return access.some((each) => each.name === name && each.type === type && each.actions.includes(action))
}

/** The other way: the text of a challenge, or of what a token grants. */
export function formatScopes(access: readonly Access[]): string {
  return access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ')
}

/** The name stands between the first colon and the last, since a host with a port may be a part of it. */
function parseScope(scope: string): Access | undefined {
  const first = scope.indexOf(':')
  const last = scope.lastIndexOf(':')
  if (first === last) return undefined
  const type = TYPE.exec(scope.slice(0, first))?.[1]
  const name = scope.slice(first + 1, last)
  const actions = inOrder(scope.slice(last + 1).split(','))
  if (type === 'repository') return isName(name) && actions.length > 0 ? { type, name, actions } : undefined
  if (type === 'registry' && name === 'catalog' && actions.includes('*'))
    return { type, name, actions: ['*'] }
  return undefined
}

function inOrder(actions: readonly string[]): ScopeAction[] {
  return ACTIONS.filter((action) => actions.includes(action))
}
