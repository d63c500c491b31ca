import type { FastifyInstance } from 'fastify'

export interface HealthOptions {
  /** What is wrong with the storage, in words for an administrator; undefined while it answers. */
  trouble(): string | undefined
}

/**
 * For probes. `/`, `/healthz` and `/livez` answer 200 while the process serves requests: a storage that does not answer
 * is no reason to start it again. `/readyz` answers 503 then, so that requests go to another replica that has one.
 */
export async function healthRoutes(app: FastifyInstance, { trouble }: HealthOptions): Promise<void> {
  for (const url of ['/', '/healthz', '/livez', '/readyz']) {
    app.route({
      method: ['GET', 'HEAD'],
      url,
      handler: (_request, reply) => {
        const problem = url === '/readyz' ? trouble() : undefined
        if (problem !== undefined) reply.code(503).header('retry-after', '5')
        // What exactly is wrong is the administrator's to know: it is in the log.
        const text = problem === undefined ? 'ok' : 'the storage does not answer'
        return reply.header('cache-control', 'no-cache').type('text/plain').send(`${text}\n`)
      }
    })
  }
}
