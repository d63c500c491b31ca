import type { FastifyInstance } from 'fastify'
import { repositoryOf } from '../auth/access.ts'
import { parseDigest } from '../oci/digest.ts'
import { MEDIA_TYPES } from '../oci/manifest.ts'
import type { Referrers } from '../registry/referrers.ts'
import { nextLink, pageSize, queryValue, queryValues } from './query.ts'

interface ReferrersRoute {
  Params: { name: string; digest: string }
}

const MAX_REFERRERS = 1000

/** The manifests that have a subject. Distribution spec: "Listing Referrers". */
export async function referrerRoutes(
  app: FastifyInstance,
  { referrers }: { referrers: Referrers }
): Promise<void> {
  app.route<ReferrersRoute>({
    method: ['GET', 'HEAD'],
    url: '/v2/:name/referrers/:digest',
    config: { action: 'pull' },
    handler: async (request, reply) => {
      const name = repositoryOf(request)
      const subject = parseDigest(request.params.digest)
      const n = pageSize(request, MAX_REFERRERS, MAX_REFERRERS)
      // A media type holds no space: where there is one, the client left a plus sign unencoded.
      const artifactTypes = queryValues(request, 'artifactType')
        .filter((type) => type !== '')
        .map((type) => type.replaceAll(' ', '+'))
      const last = queryValue(request, 'last')
      const { items, next } = await referrers.list(name, subject, { artifactTypes, n, last })
      if (artifactTypes.length > 0) reply.header('oci-filters-applied', 'artifactType')
      if (next !== undefined) {
        const query: [string, string][] = [
          ...artifactTypes.map((type): [string, string] => ['artifactType', type]),
          ['n', String(n)],
          ['last', next]
        ]
        reply.header('link', nextLink(`/v2/${name}/referrers/${subject}`, query))
      }
      const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: items }
      return reply.type(MEDIA_TYPES.ociIndex).send(Buffer.from(JSON.stringify(index)))
    }
  })
}
