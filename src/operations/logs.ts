import { inspect } from 'node:util'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { createLineWriter, openStandardOutput } from './line-writer.ts'

const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const
type Level = (typeof LEVELS)[number]

export interface Logger extends FastifyBaseLogger {
  /** Writes a line of level info that may be lost when the log is not read. @param line printable ASCII, below 3 KiB */
  access(line: string): void
  setLevel(level: Level): void
  /** Writes what still waits, as a process must before it ends. */
  flush(): void
}

/** A message, and each line of a stack, is cut after so many characters. */
const LONGEST = 1024

/**
 * One line of text per event, on standard output: time in UTC, level, message; for an error also its stack. Lines are
 * written a few milliseconds later, a fatal one and all before it at once.
 * @param firstLevel what is below it is left out
 */
export function createLogger(firstLevel: Level, fd = openStandardOutput()): Logger {
  const writer = createLineWriter(fd, (lines) =>
    logger.warn(`${lines} lines are missing here: the log was not read fast enough`)
  )
  let least = LEVELS.indexOf(firstLevel)
  let now = 0
  let time = ''

  function head(level: Level): string {
    if (now !== Date.now()) {
      now = Date.now()
      time = new Date(now).toISOString()
    }
    return `[${time}] ${level.toUpperCase()}: `
  }

  /** Fastify gives text, or an object that holds an error, with or without text. */
  function write(level: Level, what: unknown, text?: string): void {
    const error = what instanceof Error ? what : (what as { err?: Error }).err
    const message = typeof what === 'string' ? what : (text ?? error?.message ?? '')
    writer.write(`${head(level)}${escaped(message)}\n`, false)
    if (error === undefined) return
    for (const line of inspect(error).split('\n')) writer.write(`    ${escaped(line)}\n`, false)
  }

  const method = (level: Level): FastifyBaseLogger['info'] => {
    const rank = LEVELS.indexOf(level)
    return (what: unknown, text?: string) => {
      if (rank >= least) write(level, what, text)
    }
  }
  const INFO = LEVELS.indexOf('info')

  const logger: Logger = {
    level: firstLevel,
    silent() {},
    trace() {},
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal(what: unknown, text?: string) {
      write('fatal', what, text)
      writer.flush()
    },
    child: () => logger,
    access(line) {
      if (INFO >= least) writer.write(`${head('info')}${line}\n`, true)
    },
    setLevel(level) {
      least = LEVELS.indexOf(level)
    },
    flush: writer.flush
  }
  return logger
}

/** What could end a line, or do something to a terminal, is written as a number. */
function escaped(text: string): string {
  return text
    .slice(0, LONGEST)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)
    .slice(0, LONGEST)
}

/** What the log needs to know of a refusal. */
export interface Refusal {
  code: string
  details: readonly string[]
}

export interface LogParts {
  refusalOf(request: FastifyRequest): Refusal | undefined
  addressOf(request: FastifyRequest): string | undefined
  /** Who sent it; undefined where that is not known, and left out where nobody need log in. */
  userOf?: ((request: FastifyRequest) => string | undefined) | undefined
}

/**
 * Writes one line for a request, when its answer has left or its client has.
 * @param parts.refusalOf why a request was refused, if it was
 * @param parts.userOf is asked when the answer has left
 * @param parts.addressOf where it came from, whatever proxies stand between; undefined for a connection that is gone
 */
export function logRequest(
  logger: Logger,
  request: FastifyRequest,
  reply: FastifyReply,
  { refusalOf, addressOf, userOf }: LogParts
): void {
  const since = performance.now()
  const ip = addressOf(request) ?? '-'
  reply.raw.on('close', () => {
    const ms = performance.now() - since
    const who = userOf === undefined ? ip : `${ip} ${word(userOf(request) ?? '-')}`
    logger.access(accessLine(who, request, reply, ms, refusalOf(request)))
  })
}

function accessLine(
  who: string,
  request: FastifyRequest,
  reply: FastifyReply,
  ms: number,
  refusal: Refusal | undefined
): string {
  const { raw } = reply
  const status = raw.headersSent ? raw.statusCode : 499
  const broken = raw.writableEnded ? '' : ', broken off'
  const reason = refusal === undefined ? '' : `, ${[refusal.code, ...refusal.details.slice(0, 3)].join(': ')}`
  const length = reply.getHeader('content-length') ?? 0
  const agent = request.headers['user-agent']
  return (
    `${who} ${request.method} ${printable(path(request.originalUrl))} ${status} ` +
    `${length} B in ${ms.toFixed(1)} ms${broken}${printable(reason)}` +
    (agent === undefined ? '' : ` (${printable(agent)})`)
  )
}

/** A user's name as one word. */
const word = (name: string): string => printable(name).replaceAll(' ', '_')

/** Without user, host and query, which may hold secrets. */
const path = (url: string): string => url.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0] ?? ''

/** A client's text, made fit for a line of the log: ASCII only, and not endless. */
const printable = (text: string): string => text.slice(0, 400).replace(/[^\x20-\x7e]/g, '?')
