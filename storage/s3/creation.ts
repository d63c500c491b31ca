import type { S3Options } from '../options.ts'

export const CONTENT_TYPE = 'application/octet-stream'

/** The headers of every call that makes an object: a put, the begin of a multipart upload, a copy. */
export type Creation = Readonly<Record<string, string>>

export function creationOf({ objectacl, storageclass, encrypt, keyid }: S3Options): Creation {
  return {
    'content-type': CONTENT_TYPE,
    // `private` is S3's own default, and buckets without ACLs and some other stores accept none.
    ...(!['private', 'none'].includes(objectacl) && { 'x-amz-acl': objectacl }),
    ...(storageclass !== 'NONE' && { 'x-amz-storage-class': storageclass }),
    ...(encrypt && { 'x-amz-server-side-encryption': keyid === undefined ? 'AES256' : 'aws:kms' }),
    ...(encrypt && keyid !== undefined && { 'x-amz-server-side-encryption-aws-kms-key-id': keyid })
  }
}
