import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { followRanges } from './aws-ranges.ts'
import { StorageUnavailable } from './driver.ts'
import type { Redirect } from './middleware.ts'
import type { CloudFront, Surroundings } from './options.ts'

interface Around extends Pick<Surroundings, 'env' | 'log'> {
  /** The bucket's own URLs. */
  inner: Redirect
  /** What keys of the bucket begin with. */
  root: string | undefined
  now?: () => number
}

/**
 * Addresses below CloudFront's `baseurl`, signed with a canned policy (CloudFront guide: "Create a signed URL using a canned
 * policy"). Clients in AWS's own networks are sent to the bucket, where the settings say so: from there it costs nothing.
 * @throws StorageUnavailable where the key cannot be read
 */
export async function cloudfrontRedirect(options: CloudFront, around: Around): Promise<Redirect> {
  const { baseurl, keypairid, duration, ipfilteredby } = options
  const { inner, now = Date.now } = around
  const key = await readKey(options.privatekey)
  const isAmazons = ipfilteredby === 'none' ? () => false : followRanges(options, around)
  const root = around.root?.replace(/^\/+|\/+$/g, '') ?? ''
  const base = root === '' ? baseurl : `${baseurl}${root}/`
  return async (object, address) => {
    if (address !== undefined && isAmazons(address)) return inner(object, address)
    return signed(`${base}${object}`, key, keypairid, Math.floor((now() + duration) / 1000))
  }
}

function signed(url: string, key: KeyObject, keypairid: string, expires: number): string {
  const policy = JSON.stringify({
    Statement: [{ Resource: url, Condition: { DateLessThan: { 'AWS:EpochTime': expires } } }]
  })
  // CloudFront takes no other hash.
  const signature = sign('sha1', Buffer.from(policy), key)
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('=', '_')
    .replaceAll('/', '~')
  return `${url}?Expires=${expires}&Signature=${signature}&Key-Pair-Id=${encodeURIComponent(keypairid)}`
}

async function readKey(path: string): Promise<KeyObject> {
  try {
    const key = createPrivateKey(await readFile(path))
    if (key.asymmetricKeyType === 'rsa') return key
    throw new Error(`it is one of ${key.asymmetricKeyType}`)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new StorageUnavailable(
      `middleware.storage: ${path} is not the RSA key of a CloudFront key pair in PEM form (${code ?? message}): correct privatekey`,
      { cause: error }
    )
  }
}
