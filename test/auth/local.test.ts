import t from 'tap'
import { ANONYMOUS } from '../../src/auth/authority.ts'
import { createLocalAuthority } from '../../src/auth/local.ts'
import type { PermissionName } from '../../src/auth/permissions.ts'

const PERMISSIONS: PermissionName[] = ['pull', 'push', 'create', 'deleteTag', 'deleteContent', 'metrics']

t.test(
  'who is in the file may do everything but read metrics, and whoever is not at most pull',
  async (t) => {
    const authority = (anonymousPull: boolean) =>
      createLocalAuthority({
        check: async () => true,
        knows: async (user) => user === 'alice',
        realm: 'berth',
        anonymousPull
      })
    const allowed = async (username: string, anonymousPull = false): Promise<PermissionName[]> => {
      const { decide } = authority(anonymousPull)
      const user = { ...ANONYMOUS, username }
      const found = await Promise.all(
        PERMISSIONS.map(async (each) => ((await decide(user, each, { name: 'app' })).allowed ? [each] : []))
      )
      return found.flat()
    }
    t.strictSame(await allowed('alice'), PERMISSIONS.slice(0, -1))
    t.strictSame(await allowed('system:anonymous'), [])
    t.strictSame(await allowed('system:anonymous', true), ['pull'])
    t.strictSame(await allowed('bob'), [], 'who was taken out of the file, and still has a token')
  }
)
