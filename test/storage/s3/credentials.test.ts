import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../../storage/s3/client.ts'
import { bytes } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { startFakeS3 } from './fake/server.ts'
import type { Account } from './fake/signature.ts'
import { OPTIONS, openStore } from './support.ts'

const NONE = { accesskey: undefined, secretkey: undefined }

/** Sets variables of this process, which the SDK reads, for one test. */
function setEnvironment(t: Test, changes: Record<string, string | undefined>): void {
  const before = { ...process.env }
  t.teardown(() => {
    for (const name of Object.keys(changes)) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  })
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

const profile = (account: Account): string =>
  `[default]\naws_access_key_id = ${account.accessKeyId}\naws_secret_access_key = ${account.secretAccessKey}\n`

/** Amazon's token service: gives the account of the moment for a token, for a role. */
async function startFakeSts(t: Test, give: () => (Account & { expires: Date }) | 'silence') {
  const asked: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    asked.push(new URLSearchParams(text))
    const given = give()
    if (given === 'silence') return
    const { accessKeyId, secretAccessKey, sessionToken, expires } = given
    const credentials = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${expires.toISOString()}</Expiration>`
    response.setHeader('content-type', 'text/xml')
    response.end(
      `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials><AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/b</Arn></AssumedRoleUser></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const account = (n: number): Account => ({
  accessKeyId: `KEY${n}`,
  secretAccessKey: `SECRET${n}`,
  sessionToken: `TOKEN${n}`
})

t.test('case 52: keys in a shared file are read again once the store refuses them', async (t) => {
  const fake = await startFakeS3(t)
  const path = join(t.testdir(), 'credentials')
  writeFileSync(path, profile(fake.account))
  const options = { ...NONE, credentialsconfigpath: path, regionendpoint: fake.url }
  const store = await openStore(t, options)
  await store.put('k', [bytes('x')])

  fake.account = { accessKeyId: 'NEXT', secretAccessKey: 'NEXT-SECRET' }
  writeFileSync(path, profile(fake.account))
  t.equal(await textOf(store, 'k'), 'x', 'no request failed')

  writeFileSync(path, profile({ accessKeyId: 'WRONG', secretAccessKey: 'WRONG' }))
  fake.account = { accessKeyId: 'LAST', secretAccessKey: 'LAST-SECRET' }
  await t.rejects(
    store.get('k'),
    /the credentials from .*credentials \(storage.s3.credentialsconfigpath\), profile default are refused/
  )
})

t.test('a shared file may name a role, whose credentials are renewed before they expire', async (t) => {
  const fake = await startFakeS3(t, { account: account(1) })
  let number = 1
  // Those that expire in half a minute are not relied on any more.
  const sts = await startFakeSts(t, () => ({ ...account(number), expires: new Date(Date.now() + 30_000) }))
  const folder = t.testdir({ token: 'web-identity-1' })
  const path = join(folder, 'credentials')
  writeFileSync(
    path,
    `[default]\nrole_arn = arn:aws:iam::1:role/registry\nweb_identity_token_file = ${join(folder, 'token')}\n`
  )
  setEnvironment(t, { AWS_ENDPOINT_URL_STS: sts.url, AWS_ACCESS_KEY_ID: undefined })
  const store = await openStore(t, { ...NONE, credentialsconfigpath: path, regionendpoint: fake.url })
  await store.put('k', [bytes('x')])
  t.equal(sts.asked[0]?.get('RoleArn'), 'arn:aws:iam::1:role/registry')
  t.equal(sts.asked[0]?.get('WebIdentityToken'), 'web-identity-1')

  number = 2
  fake.account = account(2)
  writeFileSync(join(folder, 'token'), 'web-identity-2')
  t.equal(await textOf(store, 'k'), 'x')
  t.equal(sts.asked.at(-1)?.get('WebIdentityToken'), 'web-identity-2', 'the token’s file was read again')
})

t.test(
  'a token service that is silent holds nobody up for ever, or at all while credentials last',
  async (t) => {
    const fake = await startFakeS3(t, { account: account(1) })
    let isSilent = false
    const expires = new Date(Date.now() + 120_000)
    const sts = await startFakeSts(t, () => (isSilent ? 'silence' : { ...account(1), expires }))
    setEnvironment(t, {
      ...{ AWS_ENDPOINT_URL_STS: sts.url, AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: undefined },
      ...{ AWS_SHARED_CREDENTIALS_FILE: '/nonexistent', AWS_CONFIG_FILE: '/nonexistent' },
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/pod',
      AWS_WEB_IDENTITY_TOKEN_FILE: join(t.testdir({ token: 'pod' }), 'token')
    })
    const connection = await connect({ ...OPTIONS, ...NONE, regionendpoint: fake.url }, {}, { tokenMs: 20 })
    t.teardown(() => connection.close())
    const { credentials } = connection
    await credentials.provide()
    isSilent = true
    const asked = sts.asked.length
    t.equal((await credentials.provide()).accessKeyId, 'KEY1')
    t.equal(sts.asked.length, asked, 'that came before anybody was asked')
    credentials.forget()
    await t.rejects(credentials.provide())
    isSilent = false
    t.equal((await credentials.provide()).accessKeyId, 'KEY1')
  }
)

t.test('without keys the environment’s count: variables, or a role for a web identity', async (t) => {
  const fake = await startFakeS3(t)
  setEnvironment(t, {
    AWS_ACCESS_KEY_ID: fake.account.accessKeyId,
    AWS_SECRET_ACCESS_KEY: fake.account.secretAccessKey
  })
  const store = await openStore(t, { ...NONE, regionendpoint: fake.url })
  await store.put('k', [bytes('x')])

  fake.account = account(1)
  const sts = await startFakeSts(t, () => ({ ...account(1), expires: new Date(Date.now() + 3_600_000) }))
  setEnvironment(t, {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_ENDPOINT_URL_STS: sts.url,
    AWS_REGION: 'eu-west-1',
    AWS_ROLE_ARN: 'arn:aws:iam::1:role/pod',
    AWS_WEB_IDENTITY_TOKEN_FILE: join(t.testdir({ token: 'pod' }), 'token')
  })
  t.equal(await textOf(store, 'k'), 'x', 'what was refused is looked for anew')
  await store.head('k')
  t.equal(sts.asked.length, 1, 'and kept as long as it is good')
})

t.test('no credentials anywhere are told at the start', async (t) => {
  const fake = await startFakeS3(t)
  setEnvironment(t, {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_EC2_METADATA_DISABLED: 'true'
  })
  await t.rejects(
    openStore(t, { ...NONE, regionendpoint: fake.url }),
    /no credentials were found in the environment .*Give storage.s3.accesskey and secretkey, or a role/
  )
  const credentialsconfigpath = '/nonexistent'
  await t.rejects(
    openStore(t, { ...NONE, credentialsconfigpath, regionendpoint: fake.url }),
    /no credentials were found in \/nonexistent \(storage.s3.credentialsconfigpath\)/
  )
})
