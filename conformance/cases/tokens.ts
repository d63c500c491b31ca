import type { Case, Stage } from '../case.ts'
import { must, NotSetUp, needs } from '../expect.ts'
import { tokenOf } from '../login.ts'
import { mustLetPush, scopesOf, type TokenEndpoint, tokenEndpoint } from './token-endpoint.ts'

const SCOPES = 'Resource Scope Grammar (distribution, token scopes)'

/** What a scope may be, and what a token is good for. */
export const tokens: readonly Case[] = [
  {
    id: 'A-30',
    level: 'MUST',
    section: SCOPES,
    title: 'a scope’s name may begin with a host and its port',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const scopes = [`repository:localhost:5000/${stage.repository.name}:pull`, pushScope(stage)]
      const answer = await endpoint.get(scopesOf(...scopes), endpoint.login)
      must(answer, { status: 200 })
      await mustLetPush(endpoint, tokenOf(answer) ?? '')
    }
  },
  {
    id: 'A-31',
    level: 'SHOULD',
    section: SCOPES,
    title: 'a scope that begins with repository(image): is read as if it began with repository:',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const answer = await endpoint.get(scopesOf(pushScope(stage).replace(':', '(image):')), endpoint.login)
      needs(answer, { status: 200 })
      needs(await endpoint.use(tokenOf(answer) ?? '', 'POST', 'blobs/uploads/'), { status: 202 })
    }
  },
  {
    id: 'A-32',
    level: 'MUST',
    section: SCOPES,
    title: 'actions may come in any order, and those of two scopes for one repository add up',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const of = (actions: string): string => `repository:${stage.repository.name}:${actions}`
      for (const scopes of [[of('push,pull')], [of('pull'), of('push')], [of('pull'), of('push,pull')]]) {
        const token = await endpoint.token(...scopes)
        await mustLetPush(endpoint, token)
        must(await endpoint.use(token, 'GET', 'manifests/absent'), { status: 404 })
      }
    }
  },
  {
    id: 'A-33',
    level: 'MUST',
    section: SCOPES,
    title: 'a scope that nobody understands is passed over, and the others are granted',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      for (const odd of [
        'nonsense',
        'repository:UPPER/Name:pull',
        'repository::pull',
        'a:b',
        'planet:mars:land'
      ]) {
        const answer = await endpoint.get(scopesOf(odd, pushScope(stage)), endpoint.login)
        stage.should(answer, { status: 200 })
        if (answer.status === 200) await mustLetPush(endpoint, tokenOf(answer) ?? '')
        else must(answer, { status: 400 })
      }
    }
  },
  {
    id: 'A-42',
    level: 'MUST',
    section: 'Verifying the token (distribution, token implementation)',
    title: 'a token that was altered, signed by nobody or meant for another repository opens nothing',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const token = await endpoint.token(pushScope(stage))
      await mustLetPush(endpoint, token)
      for (const wrong of [altered(token), unsigned(token), `${token}x`, 'rubbish', '']) {
        must(await endpoint.use(wrong, 'POST', 'blobs/uploads/'), {
          status: 401,
          headers: { 'www-authenticate': /./ }
        })
      }
      await mustNotOpen(endpoint, await endpoint.token(`repository:${stage.another().name}:pull,push`))
      await mustNotOpen(endpoint, await endpoint.token(`repository:${stage.repository.name}:pull`))
    }
  }
]

function pushScope({ repository }: Stage): string {
  return `repository:${repository.name}:pull,push`
}

async function mustNotOpen(endpoint: TokenEndpoint, token: string): Promise<void> {
  must(await endpoint.use(token, 'POST', 'blobs/uploads/'), { status: [401, 403] })
}

/** The token with one character in its middle changed. */
function altered(token: string): string {
  if (token.length < 3) throw new NotSetUp(`a token of ${token.length} characters`)
  const at = Math.floor(token.length / 2)
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

/** What the token says, as a JWT that says of itself that it has no signature. RFC 8725: "Perform Algorithm Verification". */
function unsigned(token: string): string {
  const header = Buffer.from('{"typ":"JWT","alg":"none"}').toString('base64url')
  return `${header}.${token.split('.')[1] ?? ''}.`
}
