import type { RunningServer } from './processes.ts'
import { clientPortsOf, isListening } from './sockets.ts'
import { eventually } from './verdict.ts'
import { isStopped, processTree } from './vitals.ts'

/** The processes that serve, in the order of their ids; none where a single process does it all. */
export function workersOf({ pid }: RunningServer): number[] {
  return processTree(pid).slice(1)
}

/**
 * Kills one worker, and waits up to 10 s until another has taken its place.
 * @param lostPorts gets the clients' ports of its connections, before they break: these may break, and no others
 * @returns whether it was replaced
 */
export async function killWorker(
  server: RunningServer,
  victim: number,
  lostPorts: Set<number>
): Promise<boolean> {
  const before = workersOf(server).length
  process.kill(victim, 'SIGSTOP') // so that it accepts no more than what is seen here
  await eventually(() => isStopped(victim), 1000, 1)
  for (const port of clientPortsOf(victim)) lostPorts.add(port)
  process.kill(victim, 'SIGKILL')
  return eventually(
    () => {
      const now = workersOf(server)
      return (
        now.length === before && !now.includes(victim) && now.every((pid) => isListening(pid, server.port))
      )
    },
    10_000,
    20
  )
}
