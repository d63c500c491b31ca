import type { FastifyInstance } from 'fastify'

/** Prometheus: "Exposition formats", text. */
const TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** What all processes of this pod have counted. OpenShift's registry has it under this path. */
export async function metricsRoutes(
  app: FastifyInstance,
  { text }: { text(): Promise<string> }
): Promise<void> {
  app.get('/extensions/v2/metrics', { config: { action: 'metrics' } }, async (_request, reply) =>
    reply
      .header('cache-control', 'no-store')
      .type(TYPE)
      .send(Buffer.from(await text()))
  )
}
