interface ErrorEntry {
  status: number
  /** What a client reads. It says what is wrong and, where there is one, what to do about it. */
  message: string
  /** The code on the wire, where it differs from the entry's own name. */
  code?: string
  /** The detail, where there is one, takes the message's place: it says all, and docker shows messages only. */
  inItsOwnWords?: true
}

/**
 * Each error a client can meet and the HTTP status it travels on. Distribution spec: "Error Codes"; codes
 * outside that list (RANGE_INVALID, TAG_INVALID, PAGINATION_NUMBER_INVALID, UNKNOWN, UNAVAILABLE) are
 * those of CNCF distribution.
 */
export const ERRORS = {
  API_UNAVAILABLE: {
    status: 503,
    code: 'UNAVAILABLE',
    message: "the cluster's API server does not say who may do what; try again later"
  },
  BLOB_UNKNOWN: { status: 404, message: 'no such blob in this repository' },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'this upload cannot go on; start a new one' },
  BLOB_UPLOAD_UNKNOWN: {
    status: 404,
    message: 'no such upload in this repository: finished, cancelled or expired; start a new one'
  },
  CLIENT_GONE: { status: 499, code: 'UNKNOWN', message: 'the client left before its request was complete' },
  DENIED: { status: 403, message: 'access to this resource is denied', inItsOwnWords: true },
  DIGEST_INVALID: {
    status: 400,
    message: 'the digest is malformed, not sha256 or sha512, or not that of the content'
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    message: 'the manifest references content that this repository lacks; push it first'
  },
  MANIFEST_INVALID: { status: 400, message: 'the manifest is not valid' },
  MANIFEST_TOO_LARGE: {
    status: 413,
    code: 'MANIFEST_INVALID',
    message: 'a manifest may hold at most 4194304 bytes (4 MiB)'
  },
  MANIFEST_UNKNOWN: { status: 404, message: 'no such manifest in this repository' },
  METHOD_NOT_ALLOWED: { status: 405, code: 'UNSUPPORTED', message: 'this path does not know this method' },
  /** Of names that only a cluster's registry refuses. */
  NAMESPACE_INVALID: {
    status: 400,
    code: 'NAME_INVALID',
    message: 'a repository here is <namespace>/<name>',
    inItsOwnWords: true
  },
  NAMESPACE_UNKNOWN: {
    status: 404,
    code: 'NAME_UNKNOWN',
    message: 'a repository here is <namespace>/<name>, of a namespace that exists',
    inItsOwnWords: true
  },
  NAME_INVALID: {
    status: 400,
    message:
      'a repository name has lower-case letters and digits, joined by one of . _ __ or dashes, in parts separated by /'
  },
  NAME_UNKNOWN: { status: 404, message: 'no such repository' },
  PAGINATION_NUMBER_INVALID: { status: 400, message: 'n must be a whole number, zero or greater' },
  RANGE_INVALID: { status: 416, message: 'the range does not fit what is stored' },
  REQUEST_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'the request cannot be understood' },
  ROUTE_UNKNOWN: { status: 404, code: 'UNSUPPORTED', message: 'no such path' },
  SIZE_INVALID: { status: 400, message: 'the length stated does not equal the number of bytes sent' },
  STORAGE_FULL: {
    status: 507,
    code: 'UNAVAILABLE',
    message: 'the storage is full; the administrator must free or add space, then try again'
  },
  STORAGE_RESERVED: {
    status: 507,
    code: 'UNAVAILABLE',
    message:
      'too little space is left for new uploads, as the administrator keeps a part of the storage free ' +
      '(storage.filesystem.reserve) and must free or add some; then try again'
  },
  TAG_INVALID: {
    status: 400,
    message: 'a tag has at most 128 letters, digits and any of . _ - and does not begin with . or -'
  },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests; try again later', inItsOwnWords: true },
  TOO_MANY_TAGS: {
    status: 414,
    code: 'TAG_INVALID',
    message: 'at most 100 tags may be given in one request'
  },
  UNAUTHORIZED: { status: 401, message: 'authentication is required', inItsOwnWords: true },
  UNAVAILABLE: { status: 503, message: 'the storage does not answer or refuses to write; try again later' },
  UNKNOWN: { status: 500, message: 'something went wrong inside the registry; its log says what' },
  UNSUPPORTED: { status: 405, message: 'this registry does not do that', inItsOwnWords: true }
} as const satisfies Record<string, ErrorEntry>

export type ErrorName = keyof typeof ERRORS

/** A refusal that a client is told of: the entry's status, code and message, and each detail as a string. */
export class RegistryError extends Error {
  readonly entry: ErrorEntry
  readonly details: readonly string[]

  /** @param detail what the refusal is about, in a few words. Several make several errors in the answer. */
  constructor(name: ErrorName, detail?: string | readonly string[], options?: ErrorOptions) {
    const details = detail === undefined ? [] : typeof detail === 'string' ? [detail] : detail
    super([ERRORS[name].message, ...details].join('; '), options)
    this.name = name
    this.entry = ERRORS[name]
    this.details = details
  }

  get status(): number {
    return this.entry.status
  }

  /** The code on the wire. */
  get code(): string {
    return this.entry.code ?? this.name
  }

  /** The body that tells a client. Distribution spec: "Error Codes". */
  toJSON(): { errors: { code: string; message: string; detail?: string }[] } {
    const { code, entry } = this
    const { message } = entry
    if (this.details.length === 0) return { errors: [{ code, message }] }
    if (entry.inItsOwnWords) return { errors: this.details.map((detail) => ({ code, message: detail })) }
    return { errors: this.details.map((detail) => ({ code, message, detail })) }
  }
}

const LONGEST_QUOTE = 145

/** A client's text fit for a detail: in double quotes, printable ASCII only, cut after 145 characters. */
export function quote(text: string): string {
  const shown = text.slice(0, LONGEST_QUOTE).replace(/[^ -~]/g, '')
  return text.length > LONGEST_QUOTE ? `"${shown}..."` : `"${shown}"`
}
