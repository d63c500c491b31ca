import { freePort, neutralEnvironment, type RunningServer, scratch, startServer } from './processes.ts'
import { needGoTool } from './steps.ts'

/** fake-gcs-server with the bucket `images`, all in its memory. Without Go the script ends as one that cannot run here. */
export async function startFakeGcsServer(): Promise<RunningServer> {
  const command = await needGoTool('fake-gcs-server')
  const port = await freePort()
  const server = await startServer({
    command,
    args: [
      '-backend=memory',
      '-scheme=http',
      '-host=127.0.0.1',
      `-port=${port}`,
      // Where addresses of objects are taken. Another host than berth's: Go's clients take their login along to another port
      // of the same.
      `-public-host=localhost:${port}`,
      '-log-level=error'
    ],
    env: neutralEnvironment(),
    port,
    root: scratch(),
    ready: '/storage/v1/b'
  })
  const answer = await fetch(`${server.url}/storage/v1/b?project=p`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'images' })
  })
  if (!answer.ok) throw new Error(`fake-gcs-server makes no bucket: ${answer.status} ${await answer.text()}`)
  return server
}
