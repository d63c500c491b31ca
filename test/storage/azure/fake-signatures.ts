import {
  BlobSASPermissions,
  generateBlobSASQueryParameters,
  type SASProtocol,
  StorageSharedKeyCredential
} from '@azure/storage-blob'
import { ACCOUNT, ACCOUNT_KEY } from './fake-service.ts'

/** Whether the address was signed for this blob, and holds still. */
export function isSigned(
  { searchParams }: URL,
  _base: string,
  containerName: string,
  blobName: string
): boolean {
  const given = (key: string): string => searchParams.get(key) ?? ''
  const expiresOn = new Date(given('se'))
  const contentType = searchParams.get('rsct')
  const values = {
    containerName,
    blobName,
    permissions: BlobSASPermissions.parse(given('sp')),
    expiresOn,
    protocol: given('spr') as SASProtocol,
    ...(contentType !== null && { contentType })
  }
  const expected = searchParams.has('skoid')
    ? generateBlobSASQueryParameters(
        values,
        {
          signedObjectId: given('skoid'),
          signedTenantId: given('sktid'),
          signedStartsOn: new Date(given('skt')),
          signedExpiresOn: new Date(given('ske')),
          signedService: given('sks'),
          signedVersion: given('skv'),
          value: ACCOUNT_KEY
        },
        ACCOUNT
      )
    : generateBlobSASQueryParameters(values, new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY))
  const signature = new URLSearchParams(expected.toString()).get('sig')
  return signature === given('sig') && expiresOn.getTime() > Date.now()
}
