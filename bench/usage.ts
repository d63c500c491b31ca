import { readFileSync } from 'node:fs'
import { memoryOf, processTree } from '../test/integration/support/vitals.ts'

/** Linux counts processor time in ticks of 10 ms, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

const SAMPLE_MS = 100

/** What a server and the load cost while something was done. */
export interface Usage {
  seconds: number
  /** Processor seconds of the server's whole process tree, user and system. */
  serverCpu: number
  /** Processor seconds of the programs that made the load. */
  clientCpu: number
  /** Processor seconds of everything else on the machine, the kernel's own threads and this program included: where
   *  it is much, the figures are not worth much. */
  otherCpu: number
  /** The highest proportional set size of the server's process tree, in bytes, looked at every 100 ms. */
  peakMemory: number
}

/** Does something and says what it cost. The load has to come from child processes that end before it does. */
export async function metered<T>(
  server: number,
  act: () => Promise<T>
): Promise<{ usage: Usage; result: T }> {
  let peakMemory = memoryOf(server).proportional
  const sampler = setInterval(() => {
    peakMemory = Math.max(peakMemory, memoryOf(server).proportional)
  }, SAMPLE_MS)
  const serverBefore = treeSeconds(server)
  const clientBefore = endedChildrenSeconds()
  const machineBefore = machineSeconds()
  const since = performance.now()
  try {
    const result = await act()
    const seconds = (performance.now() - since) / 1000
    const serverCpu = treeSeconds(server) - serverBefore
    const clientCpu = endedChildrenSeconds() - clientBefore
    const otherCpu = Math.max(0, machineSeconds() - machineBefore - serverCpu - clientCpu)
    return { usage: { seconds, serverCpu, clientCpu, otherCpu, peakMemory }, result }
  } finally {
    clearInterval(sampler)
  }
}

/** Of a process, its descendants, and those of them that have ended. */
function treeSeconds(pid: number): number {
  const all = processTree(pid).map((member) => {
    const { own, endedChildren } = seconds(member)
    return own + endedChildren
  })
  return all.reduce((sum, each) => sum + each, 0)
}

function endedChildrenSeconds(): number {
  return seconds('self').endedChildren
}

/** proc(5): the first line of /proc/stat; idle and waiting for disks are the fields 4 and 5, and what follows the
 *  eighth is counted in the first two already. */
function machineSeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/ +/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

/** proc(5): utime, stime, cutime and cstime are the fields 14 to 17; the name, field 2, may hold spaces. */
function seconds(pid: number | 'self'): { own: number; endedChildren: number } {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return { own: 0, endedChildren: 0 } // it has just ended: its parent counts it
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15).map(Number)
  return {
    own: (user + system) / TICKS_PER_SECOND,
    endedChildren: (childrenUser + childrenSystem) / TICKS_PER_SECOND
  }
}
