import {
  BlobSASPermissions,
  type BlobServiceClient,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey
} from '@azure/storage-blob'
import { StorageUnavailable } from '../driver.ts'
import type { Retrying } from '../objects/retry.ts'
import { CONTENT_TYPE } from './assemble.ts'
import type { Client } from './client.ts'
import { faultOf } from './faults.ts'

const HOUR_MS = 3_600_000
/** A key that stands for an identity is good for seven days at most. */
const KEY_MS = 48 * HOUR_MS
const RENEW_MS = HOUR_MS / 2

/** The address of a blob with a signature that lets whoever has it read it for so many seconds.
 *  @throws StorageUnavailable where the identity may not have keys, else what the SDK throws */
export type Sign = (name: string, seconds: number) => Promise<string>

export interface SigningOptions {
  readonly client: Client
  readonly account: string
  readonly call: Retrying
  readonly now?: () => number
}

export function createSign({ client, account, call, now = Date.now }: SigningOptions): Sign {
  const { container, credential, service } = client
  const protocol = container.url.startsWith('http:') ? SASProtocol.HttpsAndHttp : SASProtocol.Https
  const delegationKey = createDelegationKey(service, call, now)

  return async (name, seconds) => {
    const values = {
      containerName: container.containerName,
      blobName: name,
      permissions: BlobSASPermissions.parse('r'),
      // Without a beginning it is good at once, whatever the clocks say.
      expiresOn: new Date(now() + seconds * 1000),
      protocol,
      contentType: CONTENT_TYPE
    }
    if (credential instanceof StorageSharedKeyCredential) {
      return addressOf(name, generateBlobSASQueryParameters(values, credential).toString())
    }
    const key = await delegationKey(seconds * 1000)
    return addressOf(name, generateBlobSASQueryParameters(values, key, account).toString())
  }

  function addressOf(name: string, query: string): string {
    return `${container.getBlobClient(name).url}?${query}`
  }
}

/** One key for all signatures, renewed half an hour before it, or what it signs, would end too early. */
function createDelegationKey(
  service: BlobServiceClient,
  call: Retrying,
  now: () => number
): (neededMs: number) => Promise<UserDelegationKey> {
  let current: { until: number; key: Promise<UserDelegationKey> } | undefined

  async function fetchKey(): Promise<UserDelegationKey> {
    try {
      const begin = new Date(now() - HOUR_MS / 4)
      return await call('GetUserDelegationKey', (abortSignal) =>
        service.getUserDelegationKey(begin, new Date(now() + KEY_MS), { abortSignal })
      )
    } catch (error) {
      current = undefined
      const { status, code } = faultOf(error)
      if (status !== 403) throw error
      throw new StorageUnavailable(
        `Azure gives no key to sign with (${status} ${code}): give the identity the role "Storage Blob Delegator" on the storage account`,
        { cause: error }
      )
    }
  }

  return (neededMs) => {
    if (current === undefined || current.until <= now()) {
      current = { until: now() + KEY_MS - Math.max(RENEW_MS, neededMs), key: fetchKey() }
    }
    return current.key
  }
}
