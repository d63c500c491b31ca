import t from 'tap'
import { A, bytesOf, REPOSITORIES, world } from './support.ts'

// The clock of world() says just that.
const SAME_MOMENT = new Date('2026-01-31T12:00:00.999Z')
const LATER = new Date('2026-01-31T12:00:01Z')

t.test(
  'uploads that nobody has added to since a moment are cancelled, and those that distribution began before (R-066)',
  async (t) => {
    const it = world()
    const { uploads } = it.registry
    const first = await uploads.start(A, 'sha256')
    await uploads.append(A, first, bytesOf('abc'))
    await it.storage.write(`${REPOSITORIES}/a/b/_uploads/00000000-0000-4000-8000-000000000000/startedat`, [
      Buffer.from('2020-01-01T00:00:00Z')
    ])
    t.equal(await uploads.purge(SAME_MOMENT), 1, 'the one of 2020')
    t.equal(await uploads.size(A, first), 3)
    const named: string[] = []
    t.equal(await uploads.purge(LATER, (name) => named.push(name) === 0), 0)
    t.match(named, [/_uploads\//], 'who refuses a removal hears of it')
    t.equal(await uploads.purge(LATER), 1)
    await t.rejects(uploads.size(A, first), { name: 'BLOB_UPLOAD_UNKNOWN' })
    t.strictSame(await it.storage.list(`${REPOSITORIES}/a/b/_uploads`), [])
    t.equal(await uploads.purge(LATER), 0)
  }
)

t.test(
  'what a cancellation left goes, and what is no upload or has no time that can be read stays',
  async (t) => {
    const it = world()
    const folder = `${REPOSITORIES}/a/_uploads`
    await it.storage.write(`${folder}/00000000-0000-4000-8000-000000000001/rest`, bytesOf('x'))
    await it.storage.write(`${folder}/00000000-0000-4000-8000-000000000002/startedat`, bytesOf('yesterday'))
    await it.storage.write(`${folder}/notes/startedat`, bytesOf('2020-01-01T00:00:00Z'))
    t.equal(await it.registry.uploads.purge(LATER), 1)
    t.strictSame(await it.storage.list(folder), ['00000000-0000-4000-8000-000000000002', 'notes'])
  }
)
