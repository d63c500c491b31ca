import type { FastifyRequest } from 'fastify'
import type { RepositoryName } from '../oci/name.ts'
import type { Listing, ListingPage } from '../registry/listing.ts'
import { ANONYMOUS, type Authority } from './authority.ts'
import { type Callers, createCallers } from './callers.ts'
import { createListVisible } from './catalog.ts'
import type { ExternalOrigin } from './external-origin.ts'
import type { Failures } from './failures.ts'
import { createGate, type Gate } from './gate.ts'
import { createGrant, type Grant } from './issuing.ts'
import { hashWith, type KeyRing } from './keys.ts'
import type { Ownership } from './ownership.ts'
import { seal, unseal } from './sealing.ts'
import { createTokens, type Tokens, type TokensOptions } from './tokens.ts'

/** What a server that knows its callers is made of. */
export interface IdentityParts {
  authority: Authority
  keys: KeyRing
  failures: Failures
  /** Without it a repository belongs to whoever has a namespace of its name. */
  ownership?: Ownership | undefined
  /** Whether whoever has not logged in may list repositories. */
  anonymousCatalog: boolean
  /** Whether a stale credential may get the token for a pull that needs none. */
  cureStaleCredentials: boolean
  close(): void
  now?: () => number
}

export interface Identity {
  authority: Authority
  callers: Callers
  tokens: Tokens
  grant: Grant
  gate: Gate
  /** A page of the repositories that the request's caller may pull from. */
  listVisible(request: FastifyRequest, page: ListingPage): Promise<Listing<string>>
}

export interface IdentityOptions extends IdentityParts, Pick<TokensOptions, 'sign' | 'verify'> {
  repositories: {
    exists(name: RepositoryName): Promise<boolean>
    list(page: ListingPage): Promise<Listing<RepositoryName>>
  }
  /** How clients reach this registry. */
  origin: ExternalOrigin
  /** Whether nothing may be written now, not even whose a repository is. */
  isReadOnly(): boolean
}

const CURSOR = 'catalog cursor'

export function createIdentity(options: IdentityOptions): Identity {
  const {
    authority,
    keys,
    failures,
    origin,
    ownership,
    anonymousCatalog,
    sign,
    verify,
    repositories,
    now = Date.now
  } = options
  const tokens = createTokens({ keys, issuer: `berth:${authority.name}`, sign, verify, now })
  const callers = createCallers({ authority, tokens, failures, origin, hash: hashWith(keys) })
  const { exists, list } = repositories
  const gate = createGate({
    authority,
    callers,
    ownership,
    exists,
    anonymousCatalog,
    isReadOnly: options.isReadOnly
  })
  const listFor = createListVisible({
    authority,
    ownership,
    list,
    seal: (text) => seal(keys.current(), Buffer.from(text), CURSOR),
    unseal: (text) => unseal(keys.current(), text, CURSOR)?.toString()
  })
  return {
    authority,
    callers,
    tokens,
    grant: createGrant({ authority, anonymousCatalog }),
    gate,
    listVisible: (request, page) => listFor(gate.userOf(request) ?? ANONYMOUS, page)
  }
}
