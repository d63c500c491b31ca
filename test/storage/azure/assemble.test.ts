import t, { type Test } from 'tap'
import { openAzureStore } from '../../../storage/azure.ts'
import { ObjectNotFound, StorageUnavailable } from '../../../storage/driver.ts'
import { ConditionFailed, type ObjectStore, type Piece } from '../../../storage/objects/store.ts'
import { noise } from '../bodies.ts'
import { contentOf } from '../objects/contract/whole-objects.ts'
import { type FakeService, newBlob, startFakeService } from './fake-service.ts'
import { optionsFor, surroundings } from './fresh.ts'

const PIECE = 1000

async function start(t: Test) {
  const service = await startFakeService(t)
  const container = service.createContainer()
  const blobs = service.containers.get(container) as NonNullable<ReturnType<FakeService['containers']['get']>>
  const open = async (max_retries = 5): Promise<ObjectStore> =>
    openAzureStore(optionsFor(service, container, { max_retries }), surroundings())
  return { service, blobs, open, store: await open() }
}

/** Puts pieces below a key. */
async function putPieces(store: ObjectStore, key: string, whole: Buffer): Promise<Piece[]> {
  const pieces: Piece[] = []
  for (let start = 0; start < whole.length; start += PIECE) {
    const bytes = whole.subarray(start, start + PIECE)
    pieces.push({ key: `${key}/${pieces.length}`, size: bytes.length })
    await store.put(`${key}/${pieces.length - 1}`, [bytes])
  }
  return pieces
}

t.test('one piece is one call, several are one each and one more', async (t) => {
  const { service, store } = await start(t)
  const pieces = await putPieces(store, 'p', noise(3 * PIECE))
  service.operations.length = 0
  await store.assemble('one', pieces.slice(0, 1))
  t.strictSame(service.operations, ['CopyBlobFromUrl'])
  service.operations.length = 0
  await store.assemble('three', pieces)
  t.strictSame(service.operations, [...Array(3).fill('PutBlockFromUrl'), 'PutBlockList'])
})

t.test('of two that make one blob at once, both succeed, whoever takes away whose blocks', async (t) => {
  const { service, store, open } = await start(t)
  const other = await open()
  const whole = noise(5 * PIECE)
  const mine = await putPieces(store, 'mine', whole)
  const theirs = await putPieces(store, 'theirs', whole)
  // Ours are all staged when the others, from the first to the last, do the same.
  service.fault = ({ operation, count }) => {
    if (operation !== 'PutBlockList' || count > 1) return undefined
    return { status: 200, wait: other.assemble('target', theirs) }
  }
  await store.assemble('target', mine)
  t.ok((await contentOf(store, 'target'))?.equals(whole))
  t.equal(service.operations.filter((name) => name === 'PutBlockList').length, 2, 'nothing is done twice')
})

t.test('blocks that another object has taken the place of are staged anew', async (t) => {
  const { service, store } = await start(t)
  const whole = noise(3 * PIECE)
  const pieces = await putPieces(store, 'p', whole)
  service.fault = ({ operation, count }) => {
    if (operation !== 'PutBlockList' || count > 2) return undefined
    return { status: 200, wait: store.put('target', [Buffer.from('something else')]) }
  }
  await store.assemble('target', pieces)
  t.ok((await contentOf(store, 'target'))?.equals(whole))
  t.equal(service.operations.filter((name) => name === 'PutBlockList').length, 3)
})

t.test('blocks that a deletion has taken away are staged anew', async (t) => {
  const { service, blobs, store } = await start(t)
  const whole = noise(2 * PIECE)
  const pieces = await putPieces(store, 'p', whole)
  await store.put('target', [whole])
  service.fault = ({ operation, count }) =>
    operation === 'PutBlockList' && count === 1 ? { status: 200, wait: store.delete('target') } : undefined
  await store.assemble('target', pieces)
  t.ok(blobs.get('target')?.data.equals(whole))
})

t.test('who is disturbed each time gives up, after max_retries', async (t) => {
  const { service, store, open } = await start(t)
  const pieces = await putPieces(store, 'p', noise(2 * PIECE))
  service.fault = ({ operation }) =>
    operation === 'PutBlockList'
      ? { status: 200, wait: store.put('target', [Buffer.from('else')]) }
      : undefined
  await t.rejects((await open(3)).assemble('target', pieces), { message: /InvalidBlockList/ })
  t.equal(service.operations.filter((name) => name === 'PutBlockList').length, 3)
})

t.test('what distribution wrote as an append blob is replaced', async (t) => {
  const { blobs, store } = await start(t)
  const whole = noise(2 * PIECE)
  const pieces = await putPieces(store, 'p', whole)
  const append = () => newBlob(Buffer.from('damaged'), { type: 'AppendBlob' })
  blobs.set('several', append()).set('one', append()).set('put', append())
  await store.assemble('several', pieces)
  t.ok(blobs.get('several')?.data.equals(whole))
  await store.assemble('one', pieces.slice(1))
  t.ok(blobs.get('one')?.data.equals(whole.subarray(PIECE)))
  await store.put('put', [whole])
  t.ok(blobs.get('put')?.data.equals(whole))
  blobs.set('new', append())
  await t.rejects(store.put('new', [whole], { isNew: true }), ConditionFailed)
  t.equal(blobs.get('new')?.type, 'AppendBlob')
})

t.test('what has taken the place of an append blob meanwhile is not removed', async (t) => {
  const { service, blobs, store } = await start(t)
  const whole = noise(2 * PIECE)
  const pieces = await putPieces(store, 'p', whole)
  const works = [() => store.put('k', [whole]), () => store.assemble('k', pieces)]
  for (const work of works) {
    blobs.set('k', newBlob(Buffer.from('damaged'), { type: 'AppendBlob' }))
    const theirs = newBlob(Buffer.from('theirs'))
    let seen: unknown
    service.fault = ({ operation }) => {
      if (operation === 'DeleteBlob') blobs.set('k', theirs)
      else if (/^Put/.test(operation) && blobs.get('k') === theirs) seen = theirs
      return undefined
    }
    await work()
    t.equal(seen, theirs, 'it was there until ours replaced it')
    t.ok(blobs.get('k')?.data.equals(whole))
  }
})

t.test('a list whose answer was lost is sent again, and is good', async (t) => {
  const { service, store } = await start(t)
  const whole = noise(2 * PIECE)
  const pieces = await putPieces(store, 'p', whole)
  service.fault = ({ operation, count }) =>
    operation === 'PutBlockList' && count === 1 ? { status: 0, isDone: true } : undefined
  await store.assemble('target', pieces)
  t.ok((await contentOf(store, 'target'))?.equals(whole))
  t.equal(service.operations.filter((name) => name === 'PutBlockFromUrl').length, 2)
})

t.test('a piece that the service may not read is no missing piece, and the target stays', async (t) => {
  const { service, store } = await start(t)
  const pieces = await putPieces(store, 'p', noise(2 * PIECE))
  await store.put('target', [Buffer.from('former')])
  service.fault = ({ operation }) =>
    /FromUrl/.test(operation) ? { status: 403, code: 'CannotVerifyCopySource' } : undefined
  for (const some of [pieces, pieces.slice(1)]) {
    await t.rejects(store.assemble('target', some), { name: 'StorageUnavailable', message: /firewall/ })
  }
  service.fault = undefined
  t.equal((await contentOf(store, 'target'))?.toString(), 'former')
  await t.rejects(store.assemble('target', [{ key: 'p/9', size: 1 }]), ObjectNotFound)
})

t.test('a piece is tried again by itself, and all end when one fails', async (t) => {
  const { service, store } = await start(t)
  const whole = noise(20 * PIECE)
  const pieces = await putPieces(store, 'p', whole)
  service.fault = ({ operation, count }) =>
    operation === 'PutBlockFromUrl' && count <= 2 ? { status: 503, code: 'ServerBusy' } : undefined
  await store.assemble('target', pieces)
  t.ok((await contentOf(store, 'target'))?.equals(whole))
  t.equal(service.operations.filter((name) => name === 'PutBlockFromUrl').length, 22)

  service.fault = ({ operation }) =>
    operation === 'PutBlockFromUrl' ? { status: 403, code: 'AuthorizationFailure' } : undefined
  service.operations.length = 0
  await t.rejects(store.assemble('target', pieces), StorageUnavailable)
  t.equal(service.operations.length, 16, 'no more than what was under way at once')
})
