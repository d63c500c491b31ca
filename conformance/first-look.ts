import { type Answer, NoAnswer, type Send } from './client.ts'
import { inWords } from './expect.ts'
import { LoginFailed, withLogin } from './login.ts'
import { BadUsage } from './options.ts'
import { createLeftovers } from './repository.ts'
import type { Subject } from './runner.ts'

/**
 * Looks at the target before the cases, who would all say the same of it: somebody answers, it is a registry, and it
 * lets the suite push. Gives whether it asked for a login. @throws BadUsage, which says what is in the way
 */
export async function lookAt(subject: Subject): Promise<boolean> {
  const { registry, client, credentials } = subject
  const asSomebody = withLogin(client.send, registry, credentials)
  const leftovers = createLeftovers(asSomebody, registry)
  try {
    const asNobody = await ask(leftovers.watch(client.send), subject)
    if (asNobody.ping.status !== 200 && !isRefused(asNobody.ping)) {
      const { sent } = asNobody.ping
      throw new BadUsage(`${registry.origin} is no registry: ${sent} is ${inWords(asNobody.ping)}`)
    }
    if (!isRefused(asNobody.ping) && !isRefused(asNobody.push)) return false

    const { ping, push } = await ask(leftovers.watch(asSomebody), subject)
    const refused = [ping, push].find(isRefused)
    if (refused === undefined) return true
    const why = `(${refused.sent}: ${inWords(refused)})`
    if (credentials === undefined) throw new BadUsage(`${asksForLogin(subject)} ${why}`)
    if (refused === ping) throw new BadUsage(`${registry.origin} does not take this login ${why}`)
    throw new BadUsage(`${credentials.username} may not push below ${subject.repository} ${why}`)
  } catch (error) {
    if (error instanceof NoAnswer) throw new BadUsage(inTheWay(error), { cause: error })
    if (!(error instanceof LoginFailed)) throw error
    const what = credentials ? `${registry.origin} does not take this login` : asksForLogin(subject)
    throw new BadUsage(`${what} (${error.message})`, { cause: error })
  } finally {
    await leftovers.remove()
  }
}

function asksForLogin({ registry }: Subject): string {
  return `${registry.origin} asks for a login: --username and --password say whom to log in as`
}

/** The first request of every client, and the one that what a case needs begins with. */
async function ask(
  send: Send,
  { registry, repository, seed }: Subject
): Promise<{ ping: Answer; push: Answer }> {
  const ping = await send('GET', new URL('/v2/', registry))
  const push = await send('POST', new URL(`/v2/${repository}/${seed}/look/blobs/uploads/`, registry))
  return { ping, push }
}

function isRefused({ status }: Answer): boolean {
  return status === 401 || status === 403
}

/** Why nobody answered, in words for who called the command. */
function inTheWay({ url, kind, message, cause }: NoAnswer): string {
  const { code = '', message: why = '' } = cause as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return `nobody listens at ${url.origin}`
  if (/^(ENOTFOUND|EAI_AGAIN)$/.test(code)) return `nobody knows where ${url.hostname} is (${code})`
  if (/^(EPROTO|ERR_SSL)/.test(code)) return `${url.origin} does not speak TLS as it should (${code})`
  if (/CERT|SIGNATURE/.test(code)) {
    const trouble = why.split(';')[0]
    return `the certificate of ${url.origin} is not trusted (${trouble}): --ca names who signed it, --insecure takes any`
  }
  const isClosed = kind === 'silent' && code === 'ECONNRESET'
  return `${url.origin} does not answer (${message})${isClosed && url.protocol === 'http:' ? ': is it https?' : ''}`
}
