export const FORMATS = ['text', 'json', 'logstash'] as const
export type Format = (typeof FORMATS)[number]

/** What a line says beside its time, level and message, in this order. What is undefined is left out. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

/** So much a pipe takes whole (PIPE_BUF), whatever other processes write to it. */
const LINE_BYTES = 4096

/** Of a field, escaped. Where the line would be longer than it may be, all its fields are cut shorter. */
const FIELD_BYTES = [1024, 256, 64]

/** @param time RFC 3339 @param more follows the other fields. Gives one line, with its newline */
export type FormatLine = (
  time: string,
  level: string,
  message: string,
  fields?: Fields,
  more?: Fields
) => string

/** How values and names are put, and what is around them. */
interface Form {
  head(time: string): string
  message: string
  field(name: string, value: string | number | boolean, most: number): string
  end: string
}

const jsonField: Form['field'] = (name, value, most) =>
  `,"${name}":${typeof value === 'string' ? quoted(value, most) : value}`

const FORMS: Record<Format, Form> = {
  text: {
    head: (time) => `time="${time}"`,
    message: 'msg',
    field: (name, value, most) => ` ${name}=${typeof value === 'string' ? bareOrQuoted(value, most) : value}`,
    end: '\n'
  },
  json: { head: (time) => `{"time":"${time}"`, message: 'msg', field: jsonField, end: '}\n' },
  logstash: {
    head: (time) => `{"@version":"1","@timestamp":"${time}"`,
    message: 'message',
    field: jsonField,
    end: '}\n'
  }
}

/**
 * Lines as CNCF distribution writes them: `text` is `name=value` with quotes where they are needed, `json` and `logstash`
 * are an object each. Values are escaped as in JSON, in text too: nothing that is logged can end a line, or do something
 * to a terminal.
 * @param constant is in every line, at its end; at most 1 KiB
 */
export function createFormat(format: Format, constant: Fields = {}): FormatLine {
  const { head, message: messageName, field, end } = FORMS[format]

  function all(fields: Fields, most: number): string {
    let text = ''
    for (const name in fields) {
      const value = fields[name]
      if (value !== undefined) text += field(name, value, most)
    }
    return text
  }

  const tail = all(constant, LINE_BYTES) + end
  return (time, level, message, fields, more) => {
    let line = ''
    for (const most of FIELD_BYTES) {
      line = head(time) + field('level', level, most) + field(messageName, message, most)
      if (fields !== undefined) line += all(fields, most)
      if (more !== undefined) line += all(more, most)
      line += tail
      // A character takes three bytes at most.
      if (line.length * 3 <= LINE_BYTES || Buffer.byteLength(line) <= LINE_BYTES) break
    }
    return line
  }
}

const BARE = /^[\w./:@+-]+$/
const PLAIN = /^[ !#-[\]-~]*$/

const bareOrQuoted = (text: string, most: number): string =>
  text.length <= most && BARE.test(text) ? text : quoted(text, most)

/** What ends a line to somebody, what changes a terminal, and halves of characters. */
const HARMFUL = /[\p{C}\p{Zl}\p{Zp}]/u

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t'
}

const ELLIPSIS = '…'

function quoted(text: string, most: number): string {
  if (text.length <= most && PLAIN.test(text)) return `"${text}"`
  let escaped = ''
  let left = most - Buffer.byteLength(ELLIPSIS)
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0
    const piece = SHORT[char] ?? (HARMFUL.test(char) ? numbered(char) : char)
    left -= piece !== char || code < 0x80 ? piece.length : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (left < 0) return `"${escaped}${ELLIPSIS}"`
    escaped += piece
  }
  return `"${escaped}"`
}

function numbered(char: string): string {
  let text = ''
  for (let index = 0; index < char.length; index++) {
    text += `\\u${char.charCodeAt(index).toString(16).padStart(4, '0')}`
  }
  return text
}
