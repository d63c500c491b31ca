import type { Case, Stage } from '../case.ts'
import type { Answer } from '../client.ts'
import { ACCEPT, imageOf, indexOf } from '../content.ts'
import { jsonObject, must, mustHold, needs, skip } from '../expect.ts'

const accept = { accept: ACCEPT }

/** A registry may refuse to delete: with 400 or 405. @throws Skipped when it does, Failed unless it is 202 */
function mustDelete(answer: Answer, { should }: Pick<Stage, 'should'>): void {
  if (answer.status === 400) should(answer, { code: 'UNSUPPORTED' }) // as the OCI's suite expects it
  if (answer.status === 400 || answer.status === 405)
    skip(`${answer.sent}: ${answer.status}, so it does not delete`)
  must(answer, { status: 202 })
}

/** "Content Management": deleting. */
export const management: readonly Case[] = [
  {
    id: 'R-120',
    level: 'MUST',
    section: 'Deleting tags',
    title: 'deleting a tag is 202, takes the tag and nothing but the tag',
    async run({ repository, should }) {
      const image = await repository.pushImage('one', 'two')
      mustDelete(await repository.delete('manifests/one'), { should })
      must(await repository.get('manifests/one', accept), { status: 404 })
      must(await repository.get('manifests/two', accept), { status: 200, body: image.bytes })
      must(await repository.get(`manifests/${image.digest}`, accept), { status: 200, body: image.bytes })
      const list = await repository.get('tags/list')
      must(list, { status: 200 })
      mustHold(
        String(jsonObject(list).tags) === 'two',
        `${list.sent}: expected two alone, got ${jsonObject(list).tags}`
      )
    }
  },
  {
    id: 'R-121',
    level: 'MUST',
    section: 'Deleting Manifests',
    title: 'deleting a manifest by digest is 202, and takes all its tags; of none it is 404',
    async run({ repository, random, should }) {
      const kept = await repository.pushImage('kept')
      const { digest } = await repository.pushImage('one', 'two')
      mustDelete(await repository.delete(`manifests/${digest}`), { should })
      for (const reference of [digest, 'one', 'two']) {
        must(await repository.get(`manifests/${reference}`, accept), { status: 404 })
      }
      const list = await repository.get('tags/list')
      must(list, { status: 200 })
      mustHold(
        String(jsonObject(list).tags) === 'kept',
        `${list.sent}: expected kept alone, got ${jsonObject(list).tags}`
      )
      must(await repository.get('manifests/kept', accept), { status: 200, body: kept.bytes })
      must(await repository.delete(`manifests/${digest}`), { status: 404 })
      must(await repository.delete(`manifests/${random.digest()}`), { status: 404 })
      must(await repository.delete(`/v2/${repository.name}/absent/manifests/${digest}`), { status: 404 })
    }
  },
  {
    id: 'R-122',
    level: 'MUST',
    section: 'Deleting Blobs',
    title: 'deleting a blob is 202, and it is gone from this repository; of none it is 404',
    async run({ repository, another, random, should }) {
      const { bytes, digest } = await repository.pushBlob()
      const elsewhere = another()
      await elsewhere.pushBlob(bytes)
      mustDelete(await repository.delete(`blobs/${digest}`), { should })
      must(await repository.get(`blobs/${digest}`), { status: 404 })
      must(await elsewhere.get(`blobs/${digest}`), { status: 200, body: bytes })
      must(await repository.delete(`blobs/${digest}`), { status: 404 })
      should(await repository.delete(`blobs/${random.digest()}`), { status: 404, code: 'BLOB_UNKNOWN' })
      await repository.pushBlob(bytes)
      must(await repository.get(`blobs/${digest}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-123',
    level: 'MUST',
    section: 'Content Management',
    title: 'what was deleted is gone for the very next HEAD; a registry that does not delete keeps it',
    async run({ repository }) {
      const image = await repository.pushImage('latest')
      const blob = await repository.pushBlob()
      for (const target of ['manifests/latest', `manifests/${image.digest}`, `blobs/${blob.digest}`]) {
        must(await repository.head(target, accept), { status: 200 })
        const answer = await repository.delete(target)
        const isRefused = answer.status === 400 || answer.status === 405
        if (!isRefused) must(answer, { status: 202 })
        must(await repository.head(target, accept), { status: isRefused ? 200 : 404 })
      }
    }
  },
  {
    id: 'R-124',
    level: 'clients',
    section: 'Deleting Manifests',
    title: 'what an index or an image refers to can be deleted before it',
    async run({ repository }) {
      const [config, layer] = [await repository.pushConfig(), await repository.pushBlob()]
      const child = await repository.pushManifest(imageOf(config, [layer]))
      const index = await repository.pushManifest(indexOf([child]), 'latest')
      must(await repository.get('manifests/latest', accept), { status: 200, body: index.bytes })
      const order = [`blobs/${layer.digest}`, `manifests/${child.digest}`, `manifests/${index.digest}`]
      for (const target of order) {
        needs(await repository.delete(target), { status: 202 })
      }
      must(await repository.get('manifests/latest', accept), { status: 404 })
    }
  }
]
