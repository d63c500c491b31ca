import type { TokenCredential } from '@azure/identity'
import { StorageUnavailable } from '../driver.ts'

const SCOPE = 'https://storage.azure.com/.default'

/** A credential keeps its token itself, and gives another in time, or when that one was taken back. It is asked that often. */
const HELD_MS = 60_000

/** The token of an identity, held for a minute, and never longer than it is good. Who asks while one is on its way shares it.
 *  @throws what the credential throws */
export function holdToken(credential: TokenCredential, now = Date.now): () => Promise<string> {
  let token: Promise<string> | undefined
  let until = 0

  async function ask(): Promise<string> {
    // As the pipeline asks, so that it is the same token.
    const given = await credential.getToken(SCOPE, { enableCae: true })
    if (given === null) throw new StorageUnavailable('Azure gave no token')
    until = Math.min(until, given.expiresOnTimestamp)
    return given.token
  }

  return () => {
    if (token !== undefined && now() < until) return token
    until = now() + HELD_MS
    const asked = ask()
    asked.catch(() => {
      if (token === asked) token = undefined
    })
    token = asked
    return asked
  }
}
