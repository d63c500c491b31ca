import type { Case } from '../case.ts'
import type { Answer } from '../client.ts'
import { digestOf } from '../content.ts'
import { header, locationOf, must, mustHold, needs, skip } from '../expect.ts'
import type { Repository } from '../repository.ts'

/** "Mounting a blob from another repository". */
export const mounts: readonly Case[] = [
  {
    id: 'R-067',
    level: 'MUST',
    section: 'Mounting a blob from another repository',
    title: 'a mount is 201 with the blob’s Location, and the blob can be pulled there; or it is 202',
    async run({ repository, another, should }) {
      const { bytes, digest } = await repository.pushBlob()
      const target = another()
      const answer = await target.send('POST', `blobs/uploads/?mount=${digest}&from=${repository.name}`)
      if (answer.status === 202) {
        must(await target.get(`blobs/${digest}`), { status: 404 })
        must(await target.close(locationOf(answer), digest, bytes), { status: 201 })
        skip(`${answer.sent}: 202, so it mounts no blobs, and an upload begins`)
      }
      needs(answer, { status: 201 })
      must(answer, { headers: { location: /./ } })
      const path = `/v2/${target.name}/blobs/${digest}`
      mustHold(
        decodeURIComponent(locationOf(answer).pathname) === path,
        `${answer.sent}: expected the Location ${path}, got ${header(answer, 'location')}`
      )
      should(answer, { headers: { 'docker-content-digest': digest } })
      must(await target.get(locationOf(answer)), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-068',
    level: 'MAY',
    section: 'Mounting a blob from another repository',
    title: 'a mount that does not say from where is 201 when the blob is found, and 202 when it is not',
    async run({ repository, another, random }) {
      const { bytes, digest } = await repository.pushBlob()
      const target = another()
      const unknown = await target.send('POST', `blobs/uploads/?mount=${random.digest()}`)
      mustHold(unknown.status !== 201, `${unknown.sent}: 201 for a blob that nobody ever pushed`)
      needs(unknown, { status: 202 })
      const answer = await target.send('POST', `blobs/uploads/?mount=${digest}`)
      needs(answer, { status: 201, headers: { location: /./ } })
      must(await target.get(locationOf(answer)), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-069',
    level: 'SHOULD',
    section: 'Mounting a blob from another repository',
    title: 'a mount of what is not there is no error: it becomes an upload',
    async run({ repository, another, random }) {
      await repository.pushBlob()
      const target = another()
      const bytes = random.bytes(100)
      const digest = digestOf(bytes)
      for (const query of [
        `mount=${digest}&from=${repository.name}`,
        `mount=${digest}&from=${target.name}/absent`,
        `mount=sha256:abc&from=${repository.name}`,
        `mount=${digest}&from=NO/NAME`
      ]) {
        await mustBecomeUpload(target, await target.send('POST', `blobs/uploads/?${query}`), digest)
      }
      const last = await target.send('POST', `blobs/uploads/?mount=${digest}&from=${repository.name}`)
      needs(last, { status: 202 })
      must(await target.close(locationOf(last), digest, bytes), { status: 201 })
    }
  }
]

async function mustBecomeUpload(target: Repository, answer: Answer, digest: string): Promise<void> {
  mustHold(answer.status !== 201, `${answer.sent}: 201 for a blob that is not there`)
  needs(answer, { status: 202, headers: { location: /./ } })
  must(await target.get(locationOf(answer)), { status: 204 })
  must(await target.get(`blobs/${digest}`), { status: 404 })
}
