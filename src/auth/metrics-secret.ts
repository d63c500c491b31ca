import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RegistryError } from '../oci/error.ts'
import { parseAuthorization } from './credentials.ts'

export const isOfMetrics = ({ routeOptions: { config } }: FastifyRequest): boolean =>
  config.action === 'metrics'

/** Of one length, whatever was shown. */
const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * Lets in whoever shows the secret, as a bearer token or as the password of any user. What is shown instead is not
 * asked about anywhere: it may be the secret of another time.
 * @throws RegistryError UNAUTHORIZED
 */
export function demandSecret(request: FastifyRequest, reply: FastifyReply, secret: string): void {
  const shown = parseAuthorization(request.headers.authorization, 'first colon')
  const isIt =
    (shown.kind === 'bearer' || shown.kind === 'basic') &&
    timingSafeEqual(hashOf(shown.secret), hashOf(secret))
  if (isIt) return
  reply.header('www-authenticate', 'Basic realm="metrics"')
  const isNothing = shown.kind === 'none'
  throw new RegistryError(
    'UNAUTHORIZED',
    isNothing
      ? 'metrics take the secret of REGISTRY_OPENSHIFT_METRICS_SECRET, as bearer token or password'
      : 'this is not the secret of REGISTRY_OPENSHIFT_METRICS_SECRET'
  )
}
