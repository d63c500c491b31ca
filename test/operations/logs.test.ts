import { spawnSync } from 'node:child_process'
import t from 'tap'
import { fileLogger, parseLines } from './logs/support.ts'

t.test('an event is one line with its time and level, and what is known of its error', async (t) => {
  const { logger, text, lines } = fileLogger(t)
  const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO', token: 'hush' })
  logger.info('berth listens')
  logger.warn({ err: new Error('as Fastify says it') })
  logger.error(new Error('the disk is gone', { cause }), 'abandoned uploads could not be removed')
  logger.error(new AggregateError([new Error('connect A'), new Error('connect B')]), 'no server answers')
  logger.error({ err: 'no error at all' }, 'thrown')
  t.match(lines(), [
    { time: /Z$/, level: 'info', msg: 'berth listens', stack: undefined },
    {
      level: 'warn',
      msg: 'as Fastify says it',
      error: undefined,
      stack: /^at .*test\/operations\/logs\.test\.ts:\d+/
    },
    {
      level: 'error',
      msg: 'abandoned uploads could not be removed',
      error: 'the disk is gone: EIO: i/o error',
      stack: /logs\.test\.ts/
    },
    { msg: 'no server answers', error: 'connect A, connect B' },
    { msg: 'thrown', error: 'no error at all' }
  ])
  t.notMatch(text(), /hush/, 'what an error holds may be a secret')
})

t.test('an error whose causes go round and round has its line', async (t) => {
  const { logger, lines } = fileLogger(t)
  const error = new Error('round')
  error.cause = error
  logger.error(error)
  logger.error(new Error('x'.repeat(100_000), { cause: new Error('y'.repeat(100_000)) }), 'long')
  t.equal(lines().length, 2)
})

t.test('what is below the level is left out, requests too, until the level is another', async (t) => {
  const { logger, lines } = fileLogger(t, { level: 'warn' })
  const ofRequest = logger.child({ 'http.request.id': 'a' })
  function say(): void {
    logger.info('no')
    logger.access('info', 'no', {})
    ofRequest.info('no')
    logger.debug('no')
    logger.warn('warn')
    logger.error('error')
  }
  say()
  logger.setLevel('error')
  say()
  logger.setLevel('debug')
  ofRequest.debug('yes')
  logger.access('debug', 'yes', { 'http.request.id': 'b' })
  t.strictSame(
    lines().map(({ time: _, ...line }) => line),
    [
      { level: 'warn', msg: 'warn' },
      { level: 'error', msg: 'error' },
      { level: 'debug', msg: 'yes', 'http.request.id': 'a' },
      { level: 'debug', msg: 'yes', 'http.request.id': 'b' },
      { level: 'error', msg: 'error (once more in 0 s)' }
    ]
  )
})

t.test('lines are objects, where that is the format, with the fields that all of them have', async (t) => {
  const { logger, text } = fileLogger(t, {
    level: 'info',
    formatter: 'json',
    fields: { service: 'registry' }
  })
  logger.info('berth\nlistens')
  logger.child({ 'http.request.id': 'a' }).error(new Error('gone'))
  const [first, second] = text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(first, { level: 'info', msg: 'berth\nlistens', service: 'registry' })
  t.match(second, { msg: 'gone', 'http.request.id': 'a', stack: /^at /, service: 'registry' })
})

t.test('a fatal line and all before it are there at once', async (t) => {
  const logs = new URL('../../src/operations/logs.ts', import.meta.url).pathname
  const program = `
    import { createLogger } from '${logs}'
    const logger = createLogger({ level: 'info' })
    logger.info('before')
    logger.error('twice')
    logger.error('twice')
    logger.fatal(new Error('the end'), 'it ends')
    process.kill(process.pid, 'SIGKILL')`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
    encoding: 'utf8'
  })
  t.match(parseLines(stdout), [
    { msg: 'before' },
    { msg: 'twice' },
    { msg: /^twice \(once more/ },
    { level: 'fatal', msg: 'it ends', error: 'the end' }
  ])
})
