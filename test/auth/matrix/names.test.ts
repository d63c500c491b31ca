import t, { type Test } from 'tap'
import type { Answer } from '../../http/support.ts'
import type { WorldOptions } from '../world.ts'
import { judge, type Trial } from './judge.ts'
import { FORMS, type Form, type Scene, scene } from './scene.ts'
import { CALLERS, expected, rows } from './table.ts'

/** Names that are made of the words of the paths. */
const PLAIN = ['team/blobs', 'team/uploads', 'team/manifests', 'team/tags', 'team/list', 'team/referrers']

const NESTED = [
  'team/blobs/uploads',
  'team/manifests/tags/list',
  'team/app/blobs',
  'team/tags/list/manifests',
  'team/v2/catalog',
  'team/a/b/c/d/e/f'
]

const ofRepositories = rows.filter(({ route }) => route.includes(':name'))

/** What somebody learns from an answer. */
const told = ({ statusCode, headers, body }: Answer): string =>
  JSON.stringify([statusCode, { ...headers, date: '', 'x-request-id': '' }, body])

/** As the table says; and whoever is refused is told the same before there is such a repository as after. */
async function judgeName(t: Test, it: Scene, name: string): Promise<void> {
  const trials = ofRepositories.flatMap((row, index) =>
    CALLERS.map((caller, turn): Omit<Trial, 'exists'> => {
      // In which form each comes goes round.
      const form = FORMS[(index + turn) % FORMS.length] as Form
      return { row, caller, form, name }
    })
  )
  const isRefused = ({ row, caller, form }: (typeof trials)[number]): boolean =>
    expected(row, caller, form === 'JWT' ? 'token' : 'cluster') !== 'ok'
  const refused = trials.filter(isRefused)
  const before: Answer[][] = []
  for (const trial of refused) before.push(await judge(t, it, { ...trial, exists: false }))
  for (const [index, trial] of refused.entries()) {
    const after = await judge(t, it, { ...trial, exists: true })
    const what = `${trial.caller} (${trial.form}) cannot tell from ${trial.row.method} whether ${name} exists`
    t.same(after.map(told), before[index]?.map(told), what)
  }
  for (const trial of trials) if (!isRefused(trial)) await judge(t, it, { ...trial, exists: true })
}

async function judgeNames(t: Test, names: readonly string[], options: WorldOptions): Promise<void> {
  const it = await scene(t, options)
  for (const name of names) await judgeName(t, it, name)
}

t.test('names that hold words of the paths are judged as any other', (t) => judgeNames(t, PLAIN, {}))

t.test('so are names of many parts, where these are allowed', (t) => judgeNames(t, NESTED, { nested: true }))

t.test('with deletion off nobody deletes, and everybody is told so alike', async (t) => {
  const it = await scene(t, { deletes: false })
  await it.fill('team/app')
  for (const row of ofRepositories.filter(({ action }) => action === 'delete')) {
    for (const caller of CALLERS) {
      for (const form of FORMS) {
        const off = { ...row, needs: 'nothing', scope: undefined }
        const there = await judge(t, it, { row: off, caller, form, name: 'team/app', exists: true })
        const gone = await judge(t, it, { row: off, caller, form, name: 'team/none', exists: false })
        const all = [...there, ...gone]
        for (const answer of all) t.match(answer.json(), { errors: [{ code: 'UNSUPPORTED' }] })
        t.equal(new Set(all.map(told)).size, 1)
      }
    }
  }
})
