import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import bcrypt from 'bcrypt'
import t, { type Test } from 'tap'
import { type Htpasswd, openHtpasswd } from '../../src/auth/htpasswd.ts'

/** Made by Debian's `htpasswd -nbB -C 4`. */
const ALICE = 'alice:$2y$04$kpSu32FAKGkdwgVQ04XNpuDYCx5N/94EyQnxgIzl.JvQYWBo4L0wW'
const BOB = 'bob:$2y$04$N3P/LemwDuL3ajLhciO74ebxWiLnDRDu3Iedc6mioPDRCc3OIAACC'
const BOB_CHANGED = 'bob:$2y$04$GqYZd4O.rykXW9WWqwdtou/XJBcuhvxVJ7l8zTihodiEXoRNe7DYK'
const UMLAUT = 'umlaut:$2y$04$a6dSea3B1jXYQXj3eobfgOX1qVvC5PdeUgBJQRhPQyuby9KlnEQPu'
const LONGEST = 'longest:$2y$04$1rGlz7U6a17ylVo6lfp8lO/ci1LrBuPZf2m/Rb7T4L3AMVLmufAu.'
/** Made by glibc's crypt(3), and by node's bcrypt. */
const A_ALICE = 'alice:$2a$04$abcdefghijklmnopqrstuuPoaPXzWjiVz4HaNq2LJXksWbO79E.S6'
const B_ALICE = 'alice:$2b$04$LewMZUI9oKkNhm7Mzn/ufuL0sYHYv.dx0bJVJLgt2JmHJMOgzz3dO'

const PASSWORDS = {
  alice: 'correct-horse',
  bob: 's3cret',
  umlaut: 'pässwörd€',
  longest: 'x'.repeat(72)
}

interface Opened extends Htpasswd {
  path: string
  /** The hashes that a password was compared with. */
  compared: string[]
  warnings: string[]
  /** Lets so many milliseconds pass. */
  wait(ms: number): void
}

interface Options {
  path?: string
  compare?: (password: string, hash: string) => Promise<boolean>
}

async function opened(t: Test, text: string | Buffer, options: Options = {}): Promise<Opened> {
  const { path = join(t.testdir({}), 'htpasswd'), compare = bcrypt.compare } = options
  if (options.path === undefined) writeFileSync(path, text)
  const compared: string[] = []
  const warnings: string[] = []
  let ms = 7000
  const users = await openHtpasswd({
    path,
    logger: { warn: (text) => warnings.push(text.replaceAll(path, 'PATH')) },
    now: () => ms,
    compare(password, hash) {
      compared.push(hash)
      return compare(password, hash)
    }
  })
  const wait = (more: number): void => {
    ms += more
  }
  return { ...users, path, compared, warnings, wait }
}

t.test('a user is known as long as the file names them', async (t) => {
  const { path, knows, wait } = await opened(t, `${ALICE}\n`)
  t.strictSame([await knows('alice'), await knows('bob')], [true, false])
  writeFileSync(path, `${BOB}\n`)
  wait(1000)
  t.strictSame([await knows('alice'), await knows('bob')], [false, true])
})

t.test('the hashes of htpasswd, crypt(3) and node are understood', async (t) => {
  for (const line of [ALICE, BOB, UMLAUT, LONGEST, A_ALICE, B_ALICE]) {
    const [user] = line.split(':') as [keyof typeof PASSWORDS]
    const { check, warnings } = await opened(t, `${line}\n`)
    t.equal(await check(user, PASSWORDS[user]), true, line)
    t.equal(await check(user, `${PASSWORDS[user].slice(1)}y`), false, line)
    t.equal(await check(user, ''), false, line)
    t.strictSame(warnings, [])
  }
})

t.test('one user logs in with their own password only', async (t) => {
  const { check } = await opened(t, `${ALICE}\n${BOB}\n`)
  t.equal(await check('alice', PASSWORDS.bob), false)
  t.equal(await check('Alice', PASSWORDS.alice), false)
  t.equal(await check('', PASSWORDS.alice), false)
  t.equal(await check('toString', PASSWORDS.alice), false)
  t.equal(await check('alice', PASSWORDS.alice), true)
})

t.test('what bcrypt would cut off is refused', async (t) => {
  const { check, compared } = await opened(t, LONGEST)
  t.equal(await check('longest', `${PASSWORDS.longest}y`), false)
  t.equal(await check('longest', 'ä'.repeat(37)), false)
  t.equal(compared.length, 0)
  t.equal(await check('longest', PASSWORDS.longest), true)
})

t.test('an unknown user and a wrong password cost one bcrypt each, of the same cost', async (t) => {
  const { check, compared } = await opened(t, `${ALICE}\nmd5:$apr1$Eq.fHvMe$nJve9thcJzOr/eJpV57Ni.\n`)
  for (const user of ['alice', 'nobody', 'md5', '']) {
    compared.length = 0
    t.equal(await check(user, 'wrong'), false)
    t.equal(compared.length, 1, user)
    t.match(compared[0], /^\$2b\$04\$.{53}$/, user)
  }
})

t.test('an unknown user costs as much as one of the others, and always the same', async (t) => {
  const dear = ALICE.replace('alice:$2y$04', 'dear:$2y$06')
  const { check, compared } = await opened(t, `${ALICE}\n${dear}\n`, { compare: async () => true })
  for (let index = 0; index < 60; index++) t.equal(await check(`nobody ${index % 30}`, 'x'), false)
  const costs = compared.map((hash) => hash.slice(4, 6))
  t.strictSame(costs.slice(0, 30), costs.slice(30))
  t.strictSame([...new Set(costs)].sort(), ['04', '06'])
  t.notOk(
    compared.some((hash) => ALICE.includes(hash.slice(7))),
    "no user's hash is at stake"
  )
})

t.test('a file without users lets nobody in, and is warned of', async (t) => {
  for (const text of ['', '\n\n# alice:secret\n']) {
    const { check, compared, warnings } = await opened(t, text)
    t.equal(await check('alice', 'secret'), false)
    t.equal(compared.length, 1)
    t.strictSame(warnings, ['PATH names nobody who can log in: htpasswd -nbB USER PASSWORD >> PATH'])
  }
})

t.test('a password that was good costs no bcrypt any more, and is asked for once at a time', async (t) => {
  const { check, compared } = await opened(t, `${ALICE}\n${BOB}\n`)
  const answers = await Promise.all(Array.from({ length: 200 }, () => check('alice', PASSWORDS.alice)))
  t.ok(answers.every((answer) => answer === true))
  t.equal(await check('alice', PASSWORDS.alice), true)
  t.equal(compared.length, 1)
  t.equal(await check('alice', 'wrong'), false)
  t.equal(await check('alice', 'wrong'), false)
  t.equal(compared.length, 3, 'that one was wrong is not remembered')
  t.equal(await check('bob', PASSWORDS.alice), false)
})

t.test('broken lines are named, and neither hashes nor what may be a password', async (t) => {
  const short = ALICE.slice(0, -1)
  const text = [
    `\uFEFF${ALICE}\r`,
    '# users',
    '',
    'hunter2',
    ':hunter2',
    'plain:hunter2',
    'md5:$apr1$Eq.fHvMe$nJve9thcJzOr/eJpV57Ni.',
    'sha:{SHA}6dcfXufJLW3J6S/9rRe4vUlBj5g=',
    'sha2:$5$oQytPpZ/7Bx/nPJ6$eqxxPbqNeDQkgHzgJ4fVLxTt2t.hZzGsEPrltZGMWRC',
    'crypt:mfOIOgJdocgsk',
    `short${short.slice(5)}`,
    `more${BOB.slice(3)}:0:0`,
    `cheap${ALICE.slice(5).replace('$04$', '$03$')}`,
    `dear${ALICE.slice(5).replace('$04$', '$18$')}`,
    `x${ALICE.slice(5).replace('$2y$', '$2x$')}`,
    `  ${BOB}  `
  ].join('\n')
  const { check, warnings } = await opened(t, text)
  t.equal(await check('alice', PASSWORDS.alice), true)
  t.equal(await check('bob', PASSWORDS.bob), true)
  for (const user of ['', 'plain', 'hunter2', 'crypt']) t.equal(await check(user, 'hunter2'), false)
  for (const user of ['short', 'cheap', 'dear', 'x']) t.equal(await check(user, PASSWORDS.alice), false)
  const only = 'only bcrypt counts (htpasswd -B)'
  const cannot = (line: number, user: string) => `line ${line} is of no use, so that "${user}" cannot log in:`
  t.strictSame(warnings[0]?.replace('PATH: ', '').split('; line ').join('\nline ').split('\n'), [
    'line 4 is not USER:HASH',
    'line 5 is not USER:HASH',
    `${cannot(6, 'plain')} its hash is crypt, or no hash at all; ${only}`,
    `${cannot(7, 'md5')} its hash is MD5 (apr1); ${only}`,
    `${cannot(8, 'sha')} its hash is SHA-1; ${only}`,
    `${cannot(9, 'sha2')} its hash is SHA-256; ${only}`,
    `${cannot(10, 'crypt')} its hash is crypt, or no hash at all; ${only}`,
    `${cannot(11, 'short')} its hash is damaged or of an unknown kind of bcrypt; ${only}`,
    `${cannot(12, 'more')} its hash is damaged or of an unknown kind of bcrypt; ${only}`,
    `${cannot(13, 'cheap')} bcrypt with cost 3, which must be from 4 to 17; 2 more`
  ])
  t.equal(warnings.length, 1)
})

t.test('of two lines for one user the last counts, whatever it is', async (t) => {
  const twice = await opened(t, `${BOB}\n${BOB_CHANGED}\n`)
  t.equal(await twice.check('bob', PASSWORDS.bob), false)
  t.equal(await twice.check('bob', 'changed'), true)
  t.strictSame(twice.warnings, ['PATH: line 2 counts, and not an earlier one for "bob"'])
  const broken = await opened(t, `${ALICE}\n${BOB}\nbob:!\n`)
  t.equal(await broken.check('bob', PASSWORDS.bob), false)
  t.equal(await broken.check('alice', PASSWORDS.alice), true)
})

t.test('a change counts a second after the last look', async (t) => {
  const { path, check, wait } = await opened(t, BOB)
  t.equal(await check('bob', PASSWORDS.bob), true)
  writeFileSync(path, `${BOB_CHANGED}\n`)
  wait(999)
  t.equal(await check('bob', PASSWORDS.bob), true, 'not looked at yet')
  wait(1)
  t.strictSame(
    await Promise.all([check('bob', PASSWORDS.bob), check('bob', 'changed'), check('alice', 'x')]),
    [false, true, false],
    'who comes while it is read waits for it'
  )
  // By rename, of the same size.
  writeFileSync(`${path}.new`, `${BOB}\n`)
  renameSync(`${path}.new`, path)
  wait(1000)
  t.equal(await check('bob', 'changed'), false)
  t.equal(await check('bob', PASSWORDS.bob), true)
})

t.test('a file that has not changed is not read again', async (t) => {
  const { check, wait, warnings } = await opened(t, `${ALICE}\nbroken\n`)
  for (let second = 0; second < 3; second++) {
    wait(1000)
    await check('alice', PASSWORDS.alice)
  }
  t.equal(warnings.length, 1)
})

t.test('a Secret that Kubernetes swaps counts as changed', async (t) => {
  const folder = t.testdir({})
  const swap = (version: string, text: string): void => {
    mkdirSync(join(folder, version))
    writeFileSync(join(folder, version, 'htpasswd'), text)
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  swap('..2026_1', BOB)
  symlinkSync('..data/htpasswd', join(folder, 'htpasswd'))
  const { check, wait } = await opened(t, '', { path: join(folder, 'htpasswd') })
  t.equal(await check('bob', PASSWORDS.bob), true)
  swap('..2026_2', BOB_CHANGED)
  rmSync(join(folder, '..2026_1'), { recursive: true })
  wait(1000)
  t.equal(await check('bob', PASSWORDS.bob), false)
  t.equal(await check('bob', 'changed'), true)
})

t.test('a file that cannot be read any more still counts, and is warned of once', async (t) => {
  const { path, check, wait, warnings } = await opened(t, BOB)
  const tryAgain = async (): Promise<void> => {
    for (let second = 0; second < 3; second++) {
      wait(1000)
      t.equal(await check('bob', PASSWORDS.bob), true)
    }
  }
  rmSync(path)
  await tryAgain()
  t.equal(warnings.length, 1)
  t.match(warnings[0], /^what it held before still counts: the htpasswd file PATH cannot be read: ENOENT/)
  mkdirSync(path)
  await tryAgain()
  t.equal(warnings.length, 2)
  t.match(warnings[1], 'EISDIR')
  rmSync(path, { recursive: true })
  writeFileSync(path, Buffer.alloc(1024 * 1024 + 1, '#'))
  await tryAgain()
  t.equal(warnings.length, 3)
  t.match(warnings[2], 'it has 1048577 bytes, and 1048576 is the most')
  for (const count of [4, 5]) {
    writeFileSync(path, BOB_CHANGED)
    wait(1000)
    t.equal(await check('bob', 'changed'), true)
    rmSync(path)
    wait(1000)
    await check('bob', 'changed')
    t.equal(warnings.length, count, 'it was there meanwhile')
  }
})

t.test('without a file it does not start, and says how to make one', async (t) => {
  const path = join(t.testdir({}), 'htpasswd')
  const logger = { warn: () => {} }
  await t.rejects(openHtpasswd({ path, logger }), {
    name: 'HtpasswdError',
    message: `the htpasswd file ${path} cannot be read: ENOENT: no such file or directory, stat '${path}'; make one with htpasswd -nbB USER PASSWORD >> ${path}`
  })
  mkdirSync(path)
  await t.rejects(openHtpasswd({ path, logger }), { name: 'HtpasswdError', message: /EISDIR/ })
})

t.test('two bcrypts run at once, a hundred wait, and who comes then is not looked at', async (t) => {
  let [running, most] = [0, 0]
  const gate = Promise.withResolvers<void>()
  const { check, compared } = await opened(t, ALICE, {
    async compare() {
      most = Math.max(most, ++running)
      await gate.promise
      running--
      return true
    }
  })
  const first = Array.from({ length: 102 }, (_, index) => check(index % 2 ? 'alice' : 'nobody', `${index}`))
  await setImmediate()
  t.equal(compared.length, 2)
  for (const user of ['alice', 'nobody']) t.equal(await check(user, 'one more'), 'busy')
  gate.resolve()
  const answers = await Promise.all(first)
  t.strictSame(
    answers,
    first.map((_, index) => index % 2 === 1)
  )
  t.equal(most, 2)
  t.equal(await check('alice', 'one more'), true, 'busy is not remembered')
  t.equal(await check('alice', '1'), true)
  t.equal(compared.length, 103)
})

t.test('a bcrypt that fails is neither a yes nor a no', async (t) => {
  let isBroken = true
  const { check } = await opened(t, ALICE, {
    compare: async () => {
      if (isBroken) throw new Error('no memory')
      return true
    }
  })
  await t.rejects(check('alice', 'x'), { message: 'no memory' })
  isBroken = false
  t.equal(await check('alice', 'x'), true)
})
