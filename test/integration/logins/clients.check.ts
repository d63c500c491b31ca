// Clients of a registry that asks for logins by an htpasswd file, over TLS with a CA of its own and over plain HTTP:
// who has the password pushes, pulls and deletes; who has not is told so at the login.
import { equal, match } from 'node:assert/strict'
import { failure } from '../support/processes.ts'
import { type Client, createClients } from '../support/registry-clients.ts'
import { needCommands, step } from '../support/steps.ts'
import { curlClient } from './curl.ts'
import { assertNoErrors, assertNoSecrets, PASSWORD, startRegistry, USER, WRONG } from './registry.ts'

await needCommands('htpasswd', 'openssl', 'curl')

for (const tls of [true, false]) {
  const closed = await startRegistry({}, { tls })
  // The same images, for everybody to pull.
  const open = await startRegistry(
    { REGISTRY_AUTH_HTPASSWD_ANONYMOUSPULL: 'true' },
    { tls, root: closed.root }
  )
  const over = tls ? 'over TLS' : 'over plain HTTP'
  const opens = { ...(await createClients(open)), curl: async () => curlClient(open) }
  for (const [name, make] of Object.entries({
    ...(await createClients(closed)),
    curl: async () => curlClient(closed)
  })) {
    await exercise(`${name} ${over}`, { make, makeOpen: opens[name as keyof typeof opens] })
  }
  for (const registry of [closed, open]) {
    await registry.stop()
    await step(`the registry logged no error, and no secret, ${over}`, async () => {
      assertNoErrors(registry.log())
      assertNoSecrets(registry.log())
    })
  }
}

interface Made {
  make: () => Promise<Client>
  /** For the registry from which everybody may pull. */
  makeOpen: () => Promise<Client>
}

async function exercise(title: string, { make, makeOpen }: Made): Promise<void> {
  await step(`${title}: a wrong password is refused at the login`, async () => {
    for (const [user, password] of [
      [USER, WRONG],
      ['mallory', PASSWORD]
    ] as const) {
      const client = await make()
      const login = client.login(password, user)
      // crane only remembers it.
      const { message } = await failure(
        title.startsWith('crane') ? login.then(() => client.push('team')) : login
      )
      match(
        message,
        /the credential is wrong, has expired or is meant for others: log in again|invalid username\/password/
      )
    }
  })

  await step(`${title}: nothing is pushed or pulled without a login`, async () => {
    await failure((await make()).push('team'))
    await failure((await make()).pull('team'))
  })

  let digest = ''
  await step(`${title}: what is pushed after a login comes back with its digest`, async () => {
    const client = await make()
    await client.login(PASSWORD, USER)
    digest = await client.push('team')
    equal(await client.pull('team'), digest)
    const { message } = await failure((await make()).pull('team'))
    match(message, /may not pull|unauthorized|authentication required/i)
  })

  await step(`${title}: with anonymouspull everybody pulls, and only who logs in pushes`, async () => {
    const nobody = await makeOpen()
    equal(await nobody.pull('team'), digest)
    const { message } = await failure(nobody.push('other'))
    match(message, /may not push|unauthorized|authentication required|error: 401/i)
    const client = await makeOpen()
    await client.login(PASSWORD, USER)
    const pushed = await client.push('other')
    equal(await nobody.pull('other'), pushed)
  })

  const user = await make()
  if (user.remove === undefined) return
  await step(`${title}: what is deleted is gone, and not by somebody without a login`, async () => {
    for (const nobody of [await make(), await makeOpen()]) await failure(removeBy(nobody, digest))
    await user.login(PASSWORD, USER)
    equal(await user.pull('team'), digest)
    await removeBy(user, digest)
    await failure(user.pull('team'))
  })
}

async function removeBy(client: Client, digest: string): Promise<void> {
  if (client.remove === undefined) throw new Error('unreachable')
  await client.remove('team', digest)
}
