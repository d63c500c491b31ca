import type { Fault } from '../faulty.ts'
import { editJson, plain } from './edits.ts'

export const LOGIN_FAULTS: readonly Fault[] = [
  {
    does: 'writes its challenge without quotes',
    caughtBy: 'A-01',
    answer: (told) => {
      const challenge = told.headers['www-authenticate']
      if (challenge !== undefined) told.headers['www-authenticate'] = challenge.replaceAll('"', '')
    }
  },
  {
    does: 'names only the path of its token endpoint',
    caughtBy: 'A-07',
    answer: (told) => {
      const challenge = told.headers['www-authenticate']
      if (challenge !== undefined) told.headers['www-authenticate'] = challenge.replace(/http:\/\/[^/]+/, '')
    }
  },
  {
    does: 'gives a token to any password',
    caughtBy: 'A-11',
    answer: (told, seen) => {
      const isRefused = told.status === 401 && /\/token\?/.test(seen.path)
      if (isRefused) Object.assign(told, plain(200), { body: Buffer.from('{"token":"x"}') })
    }
  },
  {
    does: 'gives tokens that live for ten seconds',
    caughtBy: 'A-12',
    as: 'note',
    answer: (told) => {
      if (/"token"/.test(told.body.toString())) editJson(told, (token) => ({ ...token, expires_in: 10 }))
    }
  },
  {
    does: 'says 403 to who asks for more than is granted',
    caughtBy: 'A-13',
    request: (seen) => (/everything/.test(seen.path) ? plain(403) : undefined)
  },
  {
    does: 'takes any token for a good one',
    caughtBy: 'A-42',
    answer: (told, seen) => {
      const isTold = seen.headers.authorization?.startsWith('Bearer')
      if (isTold && told.status === 401) Object.assign(told, plain(202, { location: '/v2/x' }))
    }
  },
  {
    does: 'waits for a body before it asks for a login',
    caughtBy: 'A-06',
    as: 'skip',
    request: (seen) => (seen.headers['content-length'] === '50000000' ? 'hang' : undefined)
  },
  {
    does: 'asks for no scope at all',
    caughtBy: 'A-03',
    as: 'skip',
    answer: (told) => {
      const challenge = told.headers['www-authenticate']
      if (challenge !== undefined) told.headers['www-authenticate'] = challenge.replace(/,scope="[^"]*"/, '')
    }
  }
]
