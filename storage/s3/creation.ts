import type { ObjectCannedACL, ServerSideEncryption, StorageClass } from '@aws-sdk/client-s3'
import type { S3Options } from '../options.ts'

/** What every call that makes an object says: a put, the begin of a multipart upload, a copy. */
export interface Creation {
  ContentType: string
  ACL?: ObjectCannedACL
  StorageClass?: StorageClass
  ServerSideEncryption?: ServerSideEncryption
  SSEKMSKeyId?: string
}

export const CONTENT_TYPE = 'application/octet-stream'

export function creationOf({ objectacl, storageclass, encrypt, keyid }: S3Options): Creation {
  return {
    ContentType: CONTENT_TYPE,
    // `private` is S3's own default, and buckets without ACLs and some other stores accept none.
    ...(!['private', 'none'].includes(objectacl) && { ACL: objectacl as ObjectCannedACL }),
    ...(storageclass !== 'NONE' && { StorageClass: storageclass as StorageClass }),
    ...(encrypt && { ServerSideEncryption: keyid === undefined ? 'AES256' : 'aws:kms' }),
    ...(encrypt && keyid !== undefined && { SSEKMSKeyId: keyid })
  }
}
