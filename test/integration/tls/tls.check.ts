// TLS as clients see it: versions, cipher suites, certificates of clients, HTTP/2 on and off, and files that are replaced
// while transfers go on.
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import { assertSameContent, createLayout } from '../support/layout.ts'
import {
  CHECKOUT,
  CommandFailed,
  type RunningServer,
  run,
  scratch,
  startBerth
} from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'
import { eventually } from '../support/verdict.ts'

const MIB = 2 ** 20
const FILES = join(CHECKOUT, 'test/processes/tls')
const OTHERS = join(CHECKOUT, 'test/kubernetes/tls')
const CERTIFICATE = join(FILES, 'localhost.crt')
const KEY = join(FILES, 'localhost.key')
const TLS = { REGISTRY_HTTP_TLS_CERTIFICATE: CERTIFICATE, REGISTRY_HTTP_TLS_KEY: KEY }

const crane = await needGoTool('crane')
await needCommands('curl', 'openssl', 'skopeo', 'tar')
const random = seeded('tls')
const layout = await createLayout()
const image = await layout.image('amd64', [
  { 'data/large': random.bytes(100 * MIB) },
  { hello: Buffer.from('hello') }
])
await layout.tag('v1', image)
const [large] = JSON.parse((await layout.read(image.digest)).toString()).layers as {
  digest: string
  size: number
}[]
if (large === undefined) throw new Error('an image without layers')

async function withBerth(
  env: Record<string, string>,
  part: (berth: RunningServer) => Promise<void>
): Promise<void> {
  const berth = await startBerth({ env: { ...TLS, ...env } })
  try {
    await part(berth)
    deepEqual(berth.log().match(/.*\b(ERROR|FATAL|Warning)\b.*/g), null, 'the log tells of no fault')
  } finally {
    await berth.stop()
  }
}

for (const isOn of [false, true]) {
  const env = { REGISTRY_HTTP_HTTP2_DISABLED: `${!isOn}` }
  const how = `with HTTP/2 ${isOn ? 'on' : 'off'}`

  await step(`${how}, crane and skopeo push and pull 100 MiB byte for byte`, async () => {
    await withBerth(env, async ({ host }) => {
      const trust = { SSL_CERT_FILE: CERTIFICATE, GODEBUG: 'http2debug=1' }
      const at = `${host}/tls/image:v1`
      const { stderr } = await run(crane, ['push', layout.folder, at], { env: trust })
      equal(/http2: Transport creating client conn/.test(stderr), isOn, 'what crane speaks')
      const folder = join(scratch(), 'pulled')
      await run(crane, ['pull', '--format=oci', at, folder], { env: trust })
      await assertSameContent(image.digest, layout, folder)

      const certs = scratch()
      copyFileSync(CERTIFICATE, join(certs, 'ca.crt'))
      const other = `docker://${host}/tls/skopeo:v1`
      const pulled = scratch()
      await run('skopeo', [
        'copy',
        '--preserve-digests',
        `--dest-cert-dir=${certs}`,
        `oci:${layout.folder}:v1`,
        other
      ])
      await run('skopeo', [
        'copy',
        '--preserve-digests',
        `--src-cert-dir=${certs}`,
        other,
        `oci:${pulled}:v1`
      ])
      await assertSameContent(image.digest, layout, pulled)
    })
  })

  await step(`${how}, curl gets HTTP/${isOn ? '2' : '1.1'}, and 1.1 if it wants`, async () => {
    await withBerth(env, async ({ url }) => {
      equal(await curl(url, '--http2'), isOn ? '2 200' : '1.1 200')
      equal(await curl(url, '--http1.1'), '1.1 200')
    })
  })

  await step(
    `${how}, files that are replaced break off no transfer, and new connections get them`,
    async () => {
      const folder = scratch()
      const [certificate, key, clientcas] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) =>
        join(folder, name)
      ) as [string, string, string]
      copyFileSync(CERTIFICATE, certificate)
      copyFileSync(KEY, key)
      copyFileSync(join(OTHERS, 'other-ca.crt'), clientcas)
      const files = {
        ...env,
        REGISTRY_HTTP_TLS_CERTIFICATE: certificate,
        REGISTRY_HTTP_TLS_KEY: key,
        REGISTRY_HTTP_TLS_CLIENTCAS: clientcas,
        REGISTRY_HTTP_TLS_CLIENTAUTH: 'verify-client-cert-if-given'
      }
      await withBerth(files, async (berth) => {
        await run(crane, ['push', '--insecure', layout.folder, `${berth.host}/tls/image:v1`])
        const path = `/v2/tls/image/blobs/${large.digest}`
        const slow = await slowDownload(berth, path, isOn)
        const client = ['--cert', join(OTHERS, 'client.crt'), '--key', join(OTHERS, 'client.key')]
        equal(await curl(berth.url, ...client), 'refused', 'nobody knows its authority yet')
        const before = await serialNumber(berth.port)

        copyFileSync(join(OTHERS, 'server.key'), key)
        ok(await eventually(() => berth.log().includes('the former TLS files stay in use'), 15_000))
        match(berth.log(), /stay in use: http.tls.key \(REGISTRY_HTTP_TLS_KEY\): .*tls.key is not the key of/)
        equal(await serialNumber(berth.port), before, 'half a renewal changes nothing')
        copyFileSync(join(OTHERS, 'server.crt'), certificate)
        copyFileSync(join(OTHERS, 'ca.crt'), clientcas)
        let fresh = 0
        const isRenewed = async (): Promise<boolean> => {
          fresh = (await serialNumber(berth.port)) === before ? 0 : fresh + 1
          return fresh > 12
        }
        ok(await eventually(isRenewed, 30_000), 'new connections get the new certificate, in each process')
        match(await curl(berth.url, ...client), / 200$/, 'and its authority is known')
        equal(await slow.finish(), large.digest)
      })
    }
  )
}

await step('TLS 1.2 and 1.3 are there, nothing older, and TLS 1.3 alone where it is asked for', async () => {
  for (const [env, versions] of [
    [{}, { tls1_1: false, tls1_2: true, tls1_3: true }],
    [{ REGISTRY_HTTP_TLS_MINVERSION: 'VersionTLS10' }, { tls1_1: false, tls1_2: true, tls1_3: true }],
    [{ REGISTRY_HTTP_TLS_MINVERSION: 'VersionTLS13' }, { tls1_1: false, tls1_2: false, tls1_3: true }],
    [{ REGISTRY_HTTP_TLS_MINIMUMTLS: 'tls1.3' }, { tls1_2: false, tls1_3: true }]
  ] as [Record<string, string>, Record<string, boolean>][]) {
    await withBerth(env, async ({ port }) => {
      for (const [version, isThere] of Object.entries(versions)) {
        equal(
          (await handshake(port, `-${version}`, '-cipher', 'ALL:@SECLEVEL=0')) !== undefined,
          isThere,
          version
        )
      }
    })
  }
})

await step('cipher suites are those that are named', async () => {
  const names =
    'TLS_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA'
  await withBerth({ OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES: names }, async ({ port, log }) => {
    equal(await handshake(port, '-tls1_3'), 'TLS_AES_256_GCM_SHA384')
    equal(await handshake(port, '-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'), undefined)
    equal(await handshake(port, '-tls1_2'), 'ECDHE-ECDSA-AES256-GCM-SHA384')
    equal(await handshake(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'), undefined)
    match(log(), /left out.*: TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA/)
  })
})

await step('clients are let in by their certificates as http.tls.clientauth says', async () => {
  const known = ['--cert', join(OTHERS, 'client.crt'), '--key', join(OTHERS, 'client.key')] as const
  const strange = ['--cert', CERTIFICATE, '--key', KEY]
  const cases: [string | undefined, boolean, boolean, boolean][] = [
    [undefined, false, true, false],
    ['require-and-verify-client-cert', false, true, false],
    ['verify-client-cert-if-given', true, true, false],
    ['require-any-client-cert', false, true, true],
    ['request-client-cert', true, true, true]
  ]
  for (const [mode, ...expected] of cases) {
    for (const http2 of ['on', 'off']) {
      const berth = await startBerth({
        client: { cert: readFileSync(known[1]), key: readFileSync(known[3]) },
        env: {
          ...TLS,
          REGISTRY_HTTP_TLS_CLIENTCAS: join(OTHERS, 'ca.crt'),
          REGISTRY_HTTP_HTTP2_DISABLED: `${http2 === 'off'}`,
          ...(mode !== undefined && { REGISTRY_HTTP_TLS_CLIENTAUTH: mode })
        }
      })
      try {
        const seen = []
        for (const certificate of [[], known, strange]) {
          seen.push((await curl(berth.url, ...certificate)).endsWith(' 200'))
        }
        deepEqual(seen, expected, `${mode}, HTTP/2 ${http2}`)
      } finally {
        await berth.stop()
      }
    }
  }
})

await step('a session goes on, and ends with the authority that its client was checked by', async () => {
  const clientcas = join(scratch(), 'ca.crt')
  copyFileSync(join(OTHERS, 'ca.crt'), clientcas)
  const client = {
    cert: readFileSync(join(OTHERS, 'client.crt')),
    key: readFileSync(join(OTHERS, 'client.key'))
  }
  const berth = await startBerth({ client, env: { ...TLS, REGISTRY_HTTP_TLS_CLIENTCAS: clientcas } })
  try {
    const first = await session(berth.port, client)
    equal(first.isAnswered, true)
    deepEqual(await session(berth.port, { session: first.ticket }), {
      ...first,
      isReused: true,
      ticket: undefined
    })
    copyFileSync(join(OTHERS, 'other-ca.crt'), clientcas)
    let refused = 0
    const isOver = async (): Promise<boolean> => {
      refused = (await session(berth.port, client)).isAnswered ? 0 : refused + 1
      return refused > 12
    }
    ok(await eventually(isOver, 30_000), 'each process refuses the client')
    for (let count = 0; count < 12; count++) {
      const { isReused, isAnswered } = await session(berth.port, { session: first.ticket })
      deepEqual({ isReused, isAnswered }, { isReused: false, isAnswered: false })
    }
  } finally {
    await berth.stop()
  }
})

/** The version of HTTP and the status, or that there was no answer. */
async function curl(url: string, ...options: string[]): Promise<string> {
  try {
    const common = [
      '--silent',
      '--insecure',
      '--output',
      '/dev/null',
      '--write-out',
      '%{http_version} %{http_code}'
    ]
    return (await run('curl', [...common, ...options, `${url}/v2/`])).stdout
  } catch (error) {
    if (error instanceof CommandFailed) return 'refused'
    throw error
  }
}

/** The cipher suite that openssl and the server agree on; undefined when they do not agree. */
async function handshake(port: number, ...options: string[]): Promise<string | undefined> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, ...options]
  const { stdout } = await run('openssl', args).catch((error) => {
    if (error instanceof CommandFailed) return error
    throw error
  })
  const cipher = /Cipher is (\S+)/.exec(stdout)?.[1]
  return cipher === '(NONE)' ? undefined : cipher
}

/** Of the certificate that a new connection gets. */
async function serialNumber(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

/** A download that has begun and then waits, with the server's buffers full, until it is told to finish. */
async function slowDownload({ url }: RunningServer, path: string, isHttp2: boolean) {
  const trust = { ca: readFileSync(CERTIFICATE) }
  let body: Readable
  let close = (): void => {}
  if (isHttp2) {
    const session = connectHttp2(url, trust)
    body = session.request({ ':path': path })
    await once(body, 'response')
    close = () => session.close()
  } else {
    const outgoing = request(url + path, { agent: false, ...trust })
    outgoing.end()
    body = ((await once(outgoing, 'response')) as [Readable])[0]
  }
  return {
    async finish(): Promise<string> {
      const hash = createHash('sha256')
      for await (const chunk of body) hash.update(chunk)
      close()
      return `sha256:${hash.digest('hex')}`
    }
  }
}

/** A connection with one request: whether it went on with a former session, was answered, and a ticket to go on with it. */
async function session(port: number, options: ConnectionOptions) {
  const socket = connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    maxVersion: 'TLSv1.2',
    ...options
  })
  let ticket: Buffer | undefined
  let isReused = false
  socket.on('error', () => {})
  socket.on('session', (next) => {
    ticket = next
  })
  socket.on('secureConnect', () => {
    isReused = socket.isSessionReused()
    socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
  })
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((resolve) => socket.once('close', resolve))
  return { isReused, isAnswered: Buffer.concat(chunks).includes('HTTP/1.1 200'), ticket }
}
