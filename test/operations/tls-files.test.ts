import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isSameTls, readTlsFiles } from '../../src/operations/tls-files.ts'

const FOLDER = join(import.meta.dirname, '../processes/tls')
const OTHERS = join(import.meta.dirname, '../kubernetes/tls')
const certificate = join(FOLDER, 'localhost.crt')
const key = join(FOLDER, 'localhost.key')
const options = { certificate, key, minVersion: 'TLSv1.2', ciphers: undefined, clientcas: [] } as const

t.test('what is wrong with each file is told at once, with its path and setting', async (t) => {
  const text = readFileSync(certificate, 'latin1')
  const folder = t.testdir({
    cut: text.slice(0, 400),
    damaged: text.replace('MII', 'AAA'),
    text: 'hello',
    'cut.key': `${readFileSync(key, 'latin1').slice(0, 100)}\n-----END PRIVATE KEY-----\n`
  })
  const at = (name: string): string => join(folder, name)
  const cases: [Partial<Parameters<typeof readTlsFiles>[0]>, RegExp][] = [
    [
      { certificate: '/no' },
      /^http.tls.certificate \(REGISTRY_HTTP_TLS_CERTIFICATE\): \/no cannot be read \(ENOENT\)/
    ],
    [{ certificate: at('') }, /cannot be read \(EISDIR\)/],
    [{ certificate: key }, /CERTIFICATE\): .*localhost.key holds no certificate in PEM form/],
    [{ certificate: at('cut') }, /CERTIFICATE\): .*cut holds a damaged certificate, number 1/],
    [{ certificate: at('damaged') }, /damaged holds a damaged certificate/],
    [{ key: certificate }, /^http.tls.key \(REGISTRY_HTTP_TLS_KEY\): .*localhost.crt holds no private key/],
    [{ key: at('cut.key') }, /cut.key holds a private key that is damaged/],
    [
      { key: join(OTHERS, 'server.key') },
      /server.key is not the key of the first certificate in .*localhost.crt/
    ],
    [
      { clientcas: [certificate, at('text')] },
      /^http.tls.clientcas \(REGISTRY_HTTP_TLS_CLIENTCAS\): .*text holds no/
    ],
    [{ certificate: '/no', key: '/no', clientcas: ['/no'] }, /CERTIFICATE.*\n.*TLS_KEY.*\n.*CLIENTCAS/]
  ]
  for (const [wrong, message] of cases) {
    await t.rejects(readTlsFiles({ ...options, ...wrong }), { name: 'TlsFileError', message })
  }
})

t.test('a change of any of the files is one', async (t) => {
  const folder = t.testdir({ ca: readFileSync(certificate) })
  const ca = join(folder, 'ca')
  const first = await readTlsFiles({ ...options, clientcas: [ca] })
  t.ok(isSameTls(first, await readTlsFiles({ ...options, clientcas: [ca] })))
  writeFileSync(ca, readFileSync(join(OTHERS, 'ca.crt')))
  t.notOk(isSameTls(first, await readTlsFiles({ ...options, clientcas: [ca] })))
})
