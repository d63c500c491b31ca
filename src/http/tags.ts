import type { FastifyInstance, FastifyRequest } from 'fastify'
import { repositoryOf } from '../auth/access.ts'
import type { Listing, ListingPage } from '../registry/listing.ts'
import type { Repositories } from '../registry/repositories.ts'
import type { Tags } from '../registry/tags.ts'
import { nextLink, pageSize, queryValue } from './query.ts'

interface TagsRoute {
  Params: { name: string }
}

/** CNCF distribution's default page of the catalog. */
const CATALOG_PAGE = 100

/** How much a page holds at most. */
export interface PageLimits {
  repositories: number
  /** Without `n` a client expects all the tags; beyond this many it is given a link to the rest. */
  tags: number
}

export interface TagParts {
  tags: Tags
  repositories: Repositories
  most: PageLimits
  /** The repositories that the request's caller may pull from. */
  listVisible(request: FastifyRequest, page: ListingPage): Promise<Listing<string>>
}

/** What there is: the tags of a repository, and the repositories. Distribution spec: "Content Discovery". */
export async function tagRoutes(
  app: FastifyInstance,
  { tags, repositories, most, listVisible }: TagParts
): Promise<void> {
  app.route<TagsRoute>({
    method: ['GET', 'HEAD'],
    url: '/v2/:name/tags/list',
    config: { action: 'pull' },
    handler: async (request, reply) => {
      const name = repositoryOf(request)
      const n = pageSize(request, most.tags, most.tags)
      const { items, next } = await tags.list(name, { n, last: queryValue(request, 'last') })
      if (items.length === 0) await repositories.require(name)
      if (next !== undefined) {
        reply.header(
          'link',
          nextLink(`/v2/${name}/tags/list`, [
            ['n', String(n)],
            ['last', next]
          ])
        )
      }
      return reply.type('application/json').send(Buffer.from(JSON.stringify({ name, tags: items })))
    }
  })

  // Not of the specification: CNCF distribution's, which clients know.
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v2/_catalog',
    config: { action: 'catalog' },
    handler: async (request, reply) => {
      const n = pageSize(request, Math.min(CATALOG_PAGE, most.repositories), most.repositories)
      const { items, next } = await listVisible(request, { n, last: queryValue(request, 'last') })
      if (next !== undefined) {
        reply.header(
          'link',
          nextLink('/v2/_catalog', [
            ['n', String(n)],
            ['last', next]
          ])
        )
      }
      return reply.type('application/json').send(Buffer.from(JSON.stringify({ repositories: items })))
    }
  })
}
