import t from 'tap'
import { createFormat } from '../../../src/operations/logs/format.ts'
import { seeded } from '../../integration/support/random.ts'
import { parseLine } from './support.ts'

const TIME = '2026-11-21T11:19:13.201Z'

const text = createFormat('text')
const json = createFormat('json')

t.test('a line of text', async (t) => {
  const cases: [string, string][] = [
    ['stopped', 'msg=stopped'],
    ['', 'msg=""'],
    ['berth listens', 'msg="berth listens"'],
    ['a=b', 'msg="a=b"'],
    ['sha256:0f/x.y_z@w+v-u', 'msg=sha256:0f/x.y_z@w+v-u'],
    ['say "no" \\ yes', 'msg="say \\"no\\" \\\\ yes"'],
    ['one\ntwo\r\tthree', 'msg="one\\ntwo\\r\\tthree"'],
    ['/srv/äöü', 'msg="/srv/äöü"'],
    ['\x1b[31m \x7f \x9b \x00', 'msg="\\u001b[31m \\u007f \\u009b \\u0000"'],
    ['\u202e \u2028 \ufeff', 'msg="\\u202e \\u2028 \\ufeff"'],
    ['half \ud83d of a character', 'msg="half \\ud83d of a character"'],
    ['a whole one: \u{1f6a2}', 'msg="a whole one: \u{1f6a2}"']
  ]
  for (const [message, expected] of cases) {
    t.equal(text(TIME, 'info', message), `time="${TIME}" level=info ${expected}\n`)
  }
})

t.test(
  'fields follow in order, numbers bare, what is undefined left out; constant ones come last',
  async (t) => {
    const fields = { 'http.request.method': 'GET', none: undefined, 'http.response.status': 200, isSo: true }
    const args = [TIME, 'warn', 'response', fields, { more: 'x y' }] as const
    t.equal(
      createFormat('text', { service: 'my registry' })(...args),
      `time="${TIME}" level=warn msg=response http.request.method=GET http.response.status=200 isSo=true more="x y" ` +
        'service="my registry"\n'
    )
    t.equal(
      createFormat('json', { service: 'my registry' })(...args),
      `{"time":"${TIME}","level":"warn","msg":"response","http.request.method":"GET","http.response.status":200,` +
        '"isSo":true,"more":"x y","service":"my registry"}\n'
    )
    t.strictSame(JSON.parse(createFormat('logstash')(TIME, 'info', 'stopped')), {
      '@version': '1',
      '@timestamp': TIME,
      level: 'info',
      message: 'stopped'
    })
  }
)

t.test('a field is cut at 1 KiB, between characters, and shows it', async (t) => {
  for (const piece of ['x', 'ä', '€', '\u{1f6a2}', '\n', 'x\x1by']) {
    for (const length of [1000, 1024, 1025, 100_000]) {
      const message = piece.repeat(length)
      const { msg = '' } = parseLine(text(TIME, 'info', message).slice(0, -1))
      if (msg === message) continue
      t.ok(msg.endsWith('…'))
      t.ok(message.startsWith(msg.slice(0, -1)), `whole characters of ${JSON.stringify(piece)}`)
      const [, written = ''] = /msg="(.*)"/.exec(text(TIME, 'info', message)) ?? []
      const bytes = Buffer.byteLength(written)
      t.ok(bytes <= 1024 && bytes > 1000, `${bytes}`)
    }
  }
  t.equal(parseLine(text(TIME, 'info', 'x'.repeat(1024)).slice(0, -1)).msg, 'x'.repeat(1024))
})

t.test('a line of many long fields is as short as a pipe takes whole, with all of them in it', async (t) => {
  const fields = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`f${index}`, '€"'.repeat(5000)])
  )
  for (const format of [text, json]) {
    const line = format(TIME, 'error', '€'.repeat(5000), fields)
    t.ok(Buffer.byteLength(line) <= 4096, `${Buffer.byteLength(line)}`)
    for (const name of Object.keys(fields)) t.ok(line.includes(name))
  }
})

t.test('whatever is logged is one line, and is read as what it was', async (t) => {
  const { below } = seeded('lines of the log')
  const ALPHABETS = [
    () => String.fromCharCode(below(0x80)),
    () => String.fromCharCode(below(0x10000)),
    () => String.fromCodePoint(below(0x110000)),
    () => ' ="\\\n\r\t{}:,…'.charAt(below(12)),
    () => '\u2028\u2029\x85\x9b\u202e\ud800\udfff'.charAt(below(7))
  ]
  for (let round = 0; round < 3000; round++) {
    const fields: Record<string, string> = {}
    for (const name of ['msg', 'one', 'two']) {
      const alphabet = ALPHABETS[below(ALPHABETS.length)]
      fields[name] = Array.from({ length: below(2) ? below(20) : below(300) }, () => alphabet?.()).join('')
    }
    const { msg = '', ...others } = fields
    for (const [format, parse] of [
      [text, parseLine],
      [json, JSON.parse]
    ] as const) {
      const line = format(TIME, 'info', msg, others)
      const what = `${JSON.stringify(fields)} → ${line}`
      if (!/^[^\p{C}\p{Zl}\p{Zp}]*\n$/u.test(line) || Buffer.byteLength(line) > 4096) t.fail(what)
      const read = parse(line.slice(0, -1))
      for (const [name, value] of Object.entries(fields)) {
        const isSame = read[name] === value || (value.length > 60 && isCut(read[name], value))
        if (!isSame) t.fail(`${name}: ${what}`)
      }
    }
  }
})

const isCut = (read: string, value: string): boolean =>
  read.endsWith('…') && value.startsWith(read.slice(0, -1))
