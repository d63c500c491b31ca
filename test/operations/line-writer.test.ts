import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLineWriter } from '../../src/operations/line-writer.ts'

interface Pipe {
  path: string
  /** Does not block. */
  fd: number
  /** What is there to be read now. */
  read(): string
  closeReader(): void
}

function pipe(t: Test): Pipe {
  const path = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  const buffer = Buffer.alloc(1024 * 1024)
  let isOpen = true
  function closeReader(): void {
    if (isOpen) closeSync(reader)
    isOpen = false
  }
  t.teardown(() => {
    closeReader()
    closeSync(fd)
  })
  return {
    path,
    fd,
    closeReader,
    read() {
      try {
        return buffer.toString('utf8', 0, readSync(reader, buffer))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return ''
        throw error
      }
    }
  }
}

/** Reads until nothing more comes. @param mayEnd false while there are those who write */
async function readAll({ read }: Pipe, mayEnd = () => true): Promise<string[]> {
  let text = ''
  for (let silent = 0; silent < 20; silent++) {
    const more = read()
    text += more
    if (more !== '' || !mayEnd()) silent = 0
    await pause(more === '' ? 5 : 0)
  }
  const lines = text.split('\n')
  t.equal(lines.pop(), '', 'the last line is whole')
  return lines
}

const unlost = (lines: number): never => {
  throw new Error(`${lines} lines are lost`)
}

t.test('lines come soon, in order', async (t) => {
  const world = pipe(t)
  const { write } = createLineWriter(world.fd, unlost)
  write('one\n', 'access')
  write('two ü\n', 'event')
  t.equal(world.read(), '', 'not at once')
  t.strictSame(await readAll(world), ['one', 'two ü'])
  write('three\n', 'access')
  t.strictSame(await readAll(world), ['three'])
})

t.test(
  'when the reader stalls, a bounded part waits, the rest is counted, and no warning is lost',
  async (t) => {
    const world = pipe(t)
    const losses: number[] = []
    const { write } = createLineWriter(world.fd, (lines) => losses.push(lines))
    const LINES = 50_000
    for (let index = 0; index < LINES; index++) {
      write(`${index} ${'x'.repeat(100)}\n`, 'access')
      if (index % 100 === 0) write(`warning ${index}\n`, 'event')
      if (index % 1000 === 0) await pause(1)
    }
    t.strictSame(losses, [], 'told when it has caught up')
    const lines = await readAll(world)
    t.match(losses, [Number])
    const warnings = lines.filter((line) => line.startsWith('warning'))
    t.equal(warnings.length, LINES / 100)
    t.equal(lines.length - warnings.length + (losses[0] ?? 0), LINES)
    t.ok(lines.join('\n').length < 2_000_000)
    const numbers = lines.filter((line) => /^\d+ x{100}$/.test(line)).map((line) => Number.parseInt(line, 10))
    t.equal(numbers.length, lines.length - warnings.length, 'every line is whole')
    t.strictSame(
      numbers,
      [...numbers].sort((a, b) => a - b)
    )
    write('goes on\n', 'access')
    t.strictSame(await readAll(world), ['goes on'])
    t.equal(losses.length, 1)
  }
)

t.test('even warnings are bounded', async (t) => {
  const world = pipe(t)
  const losses: number[] = []
  const { write } = createLineWriter(world.fd, (lines) => losses.push(lines))
  for (let index = 0; index < 20_000; index++) write(`${'x'.repeat(1000)}\n`, 'event')
  const lines = await readAll(world)
  t.ok(lines.length > 5000 && lines.length < 10_000)
  t.strictSame(losses, [20_000 - lines.length])
})

t.test('a line that is longer than a write is written whole', async (t) => {
  const world = pipe(t)
  const { write } = createLineWriter(world.fd, unlost)
  const line = 'x'.repeat(5000)
  for (let index = 0; index < 100; index++) write(`${line}\n`, 'event')
  t.strictSame(await readAll(world), Array(100).fill(line))
})

t.test('what waits is written at the end, to a reader that is slow', async (t) => {
  const world = pipe(t)
  const { write, flush } = createLineWriter(world.fd, unlost)
  for (let index = 0; index < 1000; index++) write(`${index} ${'x'.repeat(200)}\n`, 'access')
  const slow = spawn('sh', ['-c', `sleep 0.2; head -n 1000 ${world.path} | tail -n 1`], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  flush()
  const [last] = await once(slow.stdout, 'data')
  t.match(String(last), /^999 x{200}\n$/)
})

t.test('a reader that takes nothing, or has gone, does not keep the process from its end', async (t) => {
  const world = pipe(t)
  const { write, flush } = createLineWriter(world.fd, () => {})
  for (let index = 0; index < 1000; index++) write(`${index} ${'x'.repeat(200)}\n`, 'access')
  flush()
  world.closeReader()
  write('nobody will see this\n', 'event')
  flush()
  t.pass('it came back')
})

/** A process that writes 3000 lines of various lengths, each of one letter. */
function writer(path: string, letter: string): ChildProcess {
  const module = new URL('../../src/operations/line-writer.ts', import.meta.url).pathname
  const program = `
    import { openSync, constants } from 'node:fs'
    import { createLineWriter } from '${module}'
    const fd = openSync('${path}', constants.O_WRONLY | constants.O_NONBLOCK)
    const { write, flush } = createLineWriter(fd, () => {})
    process.send('ready')
    for (let index = 1; index <= 3000; index++) write('${letter}'.repeat(1 + index % 900) + '\\n', 'event')
    flush()
    process.disconnect()`
  return spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc']
  })
}

t.test('several processes do not write into each other’s lines', async (t) => {
  const world = pipe(t)
  const writers = ['a', 'ü', '€'].map((letter) => writer(world.path, letter))
  await Promise.all(writers.map((child) => once(child, 'message')))
  const haveEnded = (): boolean => writers.every(({ exitCode }) => exitCode !== null)
  const lines = await readAll(world, haveEnded)
  t.equal(lines.length, 9000)
  t.strictSame(
    lines.filter((line) => !/^(a+|ü+|€+)$/.test(line)),
    []
  )
})

t.test('what is never to be lost waits for the reader, in order, until it is taken back', async (t) => {
  const world = pipe(t)
  const { write, whenReady } = createLineWriter(world.fd, unlost)
  t.equal(
    whenReady(() => write('at once\n', 'audit')),
    undefined
  )
  while (whenReady(() => write(`${'x'.repeat(1000)}\n`, 'audit')) === undefined);
  const WAITING = 20_000
  const numbers = Array.from({ length: WAITING }, (_, index) => index)
  const takeBack = numbers.map((index) => whenReady(() => write(`${index} ${'x'.repeat(200)}\n`, 'audit')))
  for (const index of numbers) if (index % 2 === 1) takeBack[index]?.()
  const lines = await readAll(world)
  t.equal(lines[0], 'at once')
  t.strictSame(
    lines.filter((line) => /^\d/.test(line)).map((line) => Number.parseInt(line, 10)),
    numbers.filter((index) => index % 2 === 0)
  )
})
