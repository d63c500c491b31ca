import type { Config } from './config.ts'

/** What holds the images, as an administrator knows it. @param resolve gives a folder's whole path */
export function placeOf(
  { driver, filesystem, s3, gcs, azure }: Config['storage'],
  resolve: (path: string) => string
): string {
  if (s3 !== undefined) return `the S3 bucket ${s3.bucket}${below(s3.rootdirectory)}`
  if (gcs !== undefined) return `the GCS bucket ${gcs.bucket}${below(gcs.rootdirectory)}`
  if (azure !== undefined) {
    return `the Azure container ${azure.container} of ${azure.accountname}${below(azure.rootdirectory)}`
  }
  if (driver !== 'filesystem') throw new Error(`there is no ${driver}`)
  return resolve(filesystem.rootdirectory)
}

const below = (root: string | undefined): string => {
  const inside = root?.replace(/^\/+|\/+$/g, '') ?? ''
  return inside === '' ? '' : `, below ${inside}`
}
