import type { IncomingHttpHeaders } from 'node:http'

/** The name that S3's API reference has for a request. @param key the object's; empty for requests to the bucket */
export function operationOf(
  method: string,
  key: string,
  query: URLSearchParams,
  headers: IncomingHttpHeaders
): string {
  const isCopy = headers['x-amz-copy-source'] !== undefined
  if (key === '') {
    if (method === 'HEAD') return 'HeadBucket'
    if (method === 'POST' && query.has('delete')) return 'DeleteObjects'
    if (method === 'GET') return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2'
  }
  if (method === 'POST') return query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload'
  if (method === 'PUT' && query.has('partNumber')) return isCopy ? 'UploadPartCopy' : 'UploadPart'
  if (method === 'PUT') return isCopy ? 'CopyObject' : 'PutObject'
  if (method === 'DELETE') return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject'
  if (method === 'HEAD') return 'HeadObject'
  return query.has('uploadId') ? 'ListParts' : 'GetObject'
}
