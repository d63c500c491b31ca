import type { StorageDriver } from './driver.ts'
import type { Middleware, Rewrite, StorageOptions, Surroundings } from './options.ts'

export type Redirect = NonNullable<StorageDriver['redirect']>

const nowhere: Redirect = async () => undefined

/**
 * What gives addresses of objects once the middlewares of the configuration have had their say, in its order. Each takes what
 * those before it give.
 * @param driver the driver's own, if it has one
 * @throws StorageUnavailable for a key that cannot be used
 */
export async function applyMiddleware(
  driver: Redirect | undefined,
  { middleware, s3 }: Pick<StorageOptions, 'middleware' | 's3'>,
  surroundings: Pick<Surroundings, 'env' | 'log'>
): Promise<Redirect> {
  let redirect = driver ?? nowhere
  for (const each of middleware) redirect = await apply(each, redirect)
  return redirect

  async function apply(each: Middleware, inner: Redirect): Promise<Redirect> {
    if (each.name === 'redirect') return async (key) => each.baseurl + key
    if (each.name === 'rewrite') {
      return async (key, address) => {
        const url = await inner(key, address)
        return url === undefined ? undefined : rewritten(url, each)
      }
    }
    const { cloudfrontRedirect } = await import('./cloudfront.ts')
    return cloudfrontRedirect(each, { inner, root: s3?.rootdirectory, ...surroundings })
  }
}

function rewritten(text: string, { scheme, host, trimpathprefix }: Rewrite): string {
  const url = new URL(text)
  // By hand: URL keeps a port, and refuses some changes of the scheme.
  const path = `${url.pathname}${url.search}`
  const trimmed =
    trimpathprefix !== undefined && path.startsWith(trimpathprefix) ? path.slice(trimpathprefix.length) : path
  return `${scheme ?? url.protocol.slice(0, -1)}://${host ?? url.host}/${trimmed.replace(/^\//, '')}`
}
