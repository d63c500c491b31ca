import { fromIni } from '@aws-sdk/credential-provider-ini'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import type { S3Options } from '../options.ts'

type Found = Awaited<ReturnType<ReturnType<typeof fromIni>>>

export interface Credentials {
  /** Where they come from, for messages. */
  readonly origin: string
  /** Asked before every request. */
  provide(): Promise<Found>
  /** The store refused what was found: the next request looks again, in the files as well. */
  forget(): void
}

/** Refreshed so long before they expire, in milliseconds: parts of an upload may be on their way for minutes. */
const EARLY_MS = 300_000
/** Those that last so long still do while others are looked for. */
const LATE_MS = 60_000

/**
 * The keys of the configuration, a shared file alone, or whatever the environment offers: variables, the user's shared
 * files, a web identity, a container's or an instance's role.
 * @param sts how the token service is reached, of which roles are had
 */
export function createCredentials(
  options: Pick<S3Options, 'accesskey' | 'secretkey' | 'credentialsconfigpath'>,
  sts: object
): Credentials {
  const { accesskey, secretkey, credentialsconfigpath: path } = options
  if (accesskey !== undefined && secretkey !== undefined) {
    const fixed = { accessKeyId: accesskey, secretAccessKey: secretkey }
    const origin = 'storage.s3.accesskey and secretkey'
    return { origin, provide: async () => fixed, forget: () => undefined }
  }
  if (path !== undefined) {
    const find = async () => {
      return fromIni({
        filepath: path,
        configFilepath: path,
        profile: 'default',
        ignoreCache: true,
        ...sts
      })()
    }
    return kept(`${path} (storage.s3.credentialsconfigpath), profile default`, find)
  }
  // A new one each time: its own memory would give what was refused.
  return kept('the environment', async () => defaultProvider({ ignoreCache: true, ...sts })())
}

function kept(origin: string, find: () => Promise<Found>): Credentials {
  let found: Found | undefined
  let finding: Promise<Found> | undefined
  const lasts = ({ expiration }: Found, ms: number): boolean =>
    expiration === undefined || expiration.getTime() - Date.now() > ms

  async function look(): Promise<Found> {
    try {
      found = await find()
      return found
    } catch (error) {
      // They may still do for a while.
      if (found?.expiration !== undefined && found.expiration.getTime() > Date.now()) return found
      throw error
    } finally {
      finding = undefined
    }
  }

  return {
    origin,
    async provide() {
      if (found !== undefined && lasts(found, EARLY_MS)) return found
      finding ??= look()
      if (found !== undefined && lasts(found, LATE_MS)) {
        finding.catch(() => undefined)
        return found
      }
      return await finding
    },
    forget() {
      found = undefined
    }
  }
}
