import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import bcrypt from 'bcrypt'
import { scratch } from './processes.ts'

export interface Login {
  username: string
  password: string
}

/** What `htpasswd -B` uses unless told otherwise. */
const BCRYPT_COST = 5

/** What makes berth ask for logins, with one user. */
export async function loginSettings({ username, password }: Login): Promise<Record<string, string>> {
  const path = join(scratch(), 'htpasswd')
  writeFileSync(path, `${username}:${await bcrypt.hash(password, BCRYPT_COST)}\n`)
  return { REGISTRY_AUTH: 'htpasswd', REGISTRY_AUTH_HTPASSWD_PATH: path }
}
