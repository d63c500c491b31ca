/** It cannot be told where the API server is or who the registry is there. The message names the file or variable, and what to do. */
export class ConnectionError extends Error {
  override name = 'ConnectionError'
}

/** The API server knows the registry's account, and does not let it do this (403). The message names the missing right. */
export class ApiForbidden extends Error {
  override name = 'ApiForbidden'
}

/** The API server gave no usable answer: nothing may be concluded from it. The message is for an administrator. */
export class ApiUnavailable extends Error {
  override name = 'ApiUnavailable'
}
