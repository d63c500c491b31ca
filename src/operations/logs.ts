import type { FastifyBaseLogger } from 'fastify'
import { createLineWriter, openStandardOutput } from './line-writer.ts'
import { errorFields, kindOf } from './logs/error-fields.ts'
import { createFormat, type Fields, type Format } from './logs/format.ts'
import { createRepeats } from './logs/repeats.ts'

const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const
type Level = (typeof LEVELS)[number]

export interface Logger extends FastifyBaseLogger {
  /** Writes a line that may be lost while the log is not read. */
  access(level: 'debug' | 'info', message: string, fields: Fields): void
  /** Writes a line whatever the level is, and whoever reads the log. Those that lead to it wait: see `whenReady`. */
  audit(message: string, fields: Fields): void
  /** Runs `go` when lines that must not be lost may be written: at once, as a rule. Otherwise it gives what takes it
   *  back. */
  whenReady(go: () => void): (() => void) | undefined
  isWritten(level: Level): boolean
  /** From now on what is below it is left out. */
  setLevel(level: Level): void
  /** Writes what still waits, as a process must before it ends. */
  flush(): void
}

export interface LogOptions {
  /** What is below it is left out. */
  level: Level
  formatter?: Format
  /** What each line says at its end. */
  fields?: Fields
}

/**
 * One line per event, on standard output. Lines are written a few milliseconds later, a fatal one and all before it at
 * once. A warning or an error that comes again within ten seconds is counted.
 */
export function createLogger(options: LogOptions, fd = openStandardOutput()): Logger {
  const format = createFormat(options.formatter ?? 'text', options.fields)
  const writer = createLineWriter(fd, (lines) =>
    logger.warn(`${lines} lines are missing here: the log was not read fast enough`)
  )
  const repeats = createRepeats((level, message) => writer.write(format(clock(), level, message), 'event'))
  let lowest = LEVELS.indexOf(options.level)
  let now = 0
  let time = ''

  function clock(): string {
    if (now !== Date.now()) {
      now = Date.now()
      time = new Date(now).toISOString()
    }
    return time
  }

  const isWritten = (level: Level): boolean => LEVELS.indexOf(level) >= lowest

  function write(level: Level, what: unknown, text: string | undefined, request?: Fields): void {
    if (!isWritten(level)) return
    const error = what instanceof Error ? what : (what as { err?: unknown } | null | undefined)?.err
    const message = typeof what === 'string' ? what : (text ?? (error as Error | undefined)?.message ?? '')
    if (level === 'warn' || level === 'error') {
      const kind = error === undefined ? message : kindOf(error, message)
      if (!repeats.isFirst(kind, level, message)) return
    }
    if (level === 'fatal') repeats.flush() // so that it is the last one
    const fields = error === undefined ? undefined : errorFields(error, message)
    writer.write(format(clock(), level, message, request, fields), 'event')
    if (level === 'fatal') writer.flush()
  }

  function flush(): void {
    repeats.flush()
    writer.flush()
  }

  /** Of a request, with its id. One is made for each request, so it is small. */
  class Speaker implements FastifyBaseLogger {
    readonly request: Fields | undefined
    constructor(request?: Fields) {
      this.request = request
    }
    get level(): Level {
      return LEVELS[lowest] ?? 'fatal'
    }
    silent(): void {}
    trace(): void {}
    debug(what: unknown, text?: string): void {
      write('debug', what, text, this.request)
    }
    info(what: unknown, text?: string): void {
      write('info', what, text, this.request)
    }
    warn(what: unknown, text?: string): void {
      write('warn', what, text, this.request)
    }
    error(what: unknown, text?: string): void {
      write('error', what, text, this.request)
    }
    fatal(what: unknown, text?: string): void {
      write('fatal', what, text, this.request)
    }
    child(request: Fields): Speaker {
      return new Speaker(request)
    }
  }

  const logger: Logger = Object.assign(new Speaker(), {
    access(level: Level, message: string, fields: Fields) {
      if (isWritten(level)) writer.write(format(clock(), level, message, fields), 'access')
    },
    audit(message: string, fields: Fields) {
      writer.write(format(clock(), 'info', message, fields), 'audit')
    },
    whenReady: writer.whenReady,
    isWritten,
    setLevel(level: Level) {
      lowest = LEVELS.indexOf(level)
    },
    flush
  })
  return logger
}
