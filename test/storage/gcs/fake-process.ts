import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { startFakeGcs } from './fake-gcs.ts'

/** The fake in a process of its own: its sockets are not among ours. Gives its URL. */
export async function forkFakeGcs(t: Test): Promise<string> {
  const child = fork(import.meta.filename, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  t.teardown(() => child.kill())
  const [url] = await once(child, 'message')
  return url as string
}

if (process.send !== undefined && import.meta.main) {
  const { url } = await startFakeGcs()
  process.send(url)
  // Whoever started it may be killed.
  process.once('disconnect', () => process.exit())
}
