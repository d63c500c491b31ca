import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createLogger, type Logger, type LogOptions } from '../../../src/operations/logs.ts'

/** A line of the log, as what collects logs reads it. */
export type Line = Record<string, string>

/** A logger over a file, and what the file holds. */
export function fileLogger(
  t: Test,
  options: LogOptions = { level: 'debug' }
): { logger: Logger; text(): string; lines(): Line[] } {
  const file = join(t.testdir(), 'log')
  const fd = openSync(file, 'a')
  t.teardown(() => closeSync(fd))
  const logger = createLogger(options, fd)
  function text(): string {
    logger.flush()
    return readFileSync(file, 'utf8')
  }
  return { logger, text, lines: () => parseLines(text()) }
}

export function parseLines(text: string): Line[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error(`the last line has no end: ${text.slice(-200)}`)
  return text.split('\n').slice(0, -1).map(parseLine)
}

const FIELD = /([\w.-]+)=(?:([\w./:@+-]+)|("(?:[^"\\]|\\.)*"))( |$)/y

/** @throws Error for what is not `name=value` all through, each name once */
export function parseLine(line: string): Line {
  const fields: Line = {}
  FIELD.lastIndex = 0
  while (FIELD.lastIndex < line.length) {
    const at = FIELD.lastIndex
    const [, name = '', bare, quoted = ''] = FIELD.exec(line) ?? []
    if (name === '' || name in fields) throw new Error(`no line of the log, from ${at}: ${line}`)
    fields[name] = bare ?? JSON.parse(quoted)
  }
  return fields
}
