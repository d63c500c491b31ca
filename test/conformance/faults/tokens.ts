import type { Fault } from '../faulty.ts'
import { editJson, isToken, plain } from './edits.ts'

export const TOKEN_FAULTS: readonly Fault[] = [
  {
    does: 'offers Basic before its tokens',
    caughtBy: 'A-02',
    as: 'skip',
    answer: (told) => {
      if (told.headers['www-authenticate'] !== undefined)
        told.headers['www-authenticate'] = `Basic realm="x", ${told.headers['www-authenticate']}`
    }
  },
  {
    does: 'does not say what is wrong with a token',
    caughtBy: 'A-04',
    as: 'skip',
    answer: (told) => {
      if (told.headers['www-authenticate'] !== undefined)
        told.headers['www-authenticate'] = told.headers['www-authenticate'].replace(/,error="[^"]*"/, '')
    }
  },
  {
    does: 'lets anybody delete',
    caughtBy: 'A-05',
    answer: (told, seen) => {
      if (seen.method === 'DELETE' && told.status === 401 && seen.headers['content-type'] !== undefined)
        told.status = 202
    }
  },
  {
    does: 'asks for Basic without a realm',
    caughtBy: 'A-08',
    answer: (told) => {
      if (told.status === 401) told.headers['www-authenticate'] = 'Basic'
    }
  },
  {
    does: 'gives no token without a scope',
    caughtBy: 'A-10',
    request: (seen) => (isToken(seen, 'GET') && !/scope=/.test(seen.path) ? plain(400) : undefined)
  },
  {
    does: 'gives refresh tokens that it does not take',
    caughtBy: 'A-14',
    answer: (told, seen) => {
      if (isToken(seen, 'GET') && told.status === 200)
        editJson(told, (token) => ({ ...token, refresh_token: 'x' }))
    }
  },
  {
    does: 'takes forms without a charset only',
    caughtBy: 'A-20',
    as: 'skip',
    request: (seen) =>
      isToken(seen, 'POST') && /charset/.test(seen.headers['content-type'] ?? '') ? plain(415) : undefined
  },
  {
    does: 'answers a form as if it were none',
    caughtBy: 'A-21',
    answer: (told, seen) => {
      if (isToken(seen, 'POST') && told.status === 200)
        editJson(told, ({ access_token, ...token }) => ({ ...token, token: access_token }))
    }
  },
  {
    does: 'does not know the type of a form',
    caughtBy: 'A-22',
    as: 'skip',
    request: (seen) => (isToken(seen, 'POST') ? plain(415) : undefined)
  },
  {
    does: 'gives a token to a form with any password',
    caughtBy: 'A-23',
    answer: (told, seen) => {
      if (isToken(seen, 'POST') && told.status === 401) told.status = 200
    }
  },
  {
    does: 'knows no hosts in scopes',
    caughtBy: 'A-30',
    request: (seen) => (/scope=[^&]*localhost/.test(seen.path) ? plain(400) : undefined)
  },
  {
    does: 'knows no classes in scopes',
    caughtBy: 'A-31',
    as: 'skip',
    request: (seen) => (/scope=[^&]*image/.test(seen.path) ? plain(400) : undefined)
  },
  {
    does: 'wants pull before push in a scope',
    caughtBy: 'A-32',
    request: (seen) => {
      seen.path = seen.path.replace(/push(,|%2C)pull/gi, 'pull')
      return undefined
    }
  },
  {
    does: 'fails at a scope that it does not understand',
    caughtBy: 'A-33',
    request: (seen) => (/scope=nonsense/.test(seen.path) ? plain(500) : undefined)
  }
]
