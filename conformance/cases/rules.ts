import type { Case } from '../case.ts'
import { ACCEPT, blobOf, descriptorOf, digestOf, manifestOf, TYPES } from '../content.ts'
import {
  fail,
  header,
  inWords,
  isObject,
  jsonObject,
  locationOf,
  must,
  mustHold,
  needs,
  skip,
  withQuery
} from '../expect.ts'
import { parseChallenges } from '../login.ts'

/** What holds for every request, and for the first one: names, errors, headers, `/v2/`. */
export const rules: readonly Case[] = [
  {
    id: 'R-001',
    level: 'MUST',
    section: 'Pulling manifests',
    title: 'a name outside the grammar holds nothing, and every name within it can be pushed to',
    async run({ repository, should, note }) {
      await repository.openUpload()
      for (const wrong of ['UPPER', 'a..b', 'a___b', '-a', 'a-', '.a', 'a_', 'a._b', 'a%20b', 'ä']) {
        const path = `/v2/${repository.name}/${wrong}`
        const listed = await repository.get(`${path}/tags/list`)
        must(listed, { status: [400, 401, 403, 404] })
        if (listed.status === 400) should(listed, { code: 'NAME_INVALID' })
        must(await repository.send('POST', `${path}/blobs/uploads/`), { status: [400, 401, 403, 404, 405] })
      }
      for (const right of ['a__b', 'a---b', 'a.b_c-d/0', 'blobs/uploads', 'manifests']) {
        const answer = await repository.send('POST', `/v2/${repository.name}/${right}/blobs/uploads/`)
        if (answer.status === 404) note(`${answer.sent}: the registry makes no repositories by itself`)
        else must(answer, { status: 202 })
      }
    }
  },
  {
    id: 'R-002',
    level: 'SHOULD',
    section: 'Pulling manifests',
    title: 'no repository is made whose name is longer than the 255 characters that clients can handle',
    async run({ repository }) {
      await repository.openUpload()
      const long = `${repository.name}/${'a'.repeat(256)}`
      const answer = await repository.send('POST', `/v2/${long}/blobs/uploads/`)
      needs(answer, { status: [400, 403, 404, 414] })
    }
  },
  {
    id: 'R-003',
    level: 'MUST',
    section: 'Error Codes',
    title: 'an error in JSON is a list of errors, each with a code of capitals and underscores',
    async run({ repository, random, should }) {
      await repository.pushBlob()
      const unknown = random.digest()
      const upload = await repository.openUpload()
      const refusals = [
        [await repository.get(`blobs/${unknown}`), 'BLOB_UNKNOWN'],
        [await repository.get(`manifests/${unknown}`), 'MANIFEST_UNKNOWN'],
        [await repository.close(upload, unknown, random.bytes(9)), 'DIGEST_INVALID'],
        [
          await repository.putManifest('latest', { ...blobOf(Buffer.from('[')), mediaType: '' }),
          'MANIFEST_INVALID'
        ],
        [await repository.get(`/v2/${repository.name}/UPPER/tags/list`), ['NAME_INVALID', 'NAME_UNKNOWN']],
        [await repository.get(`/v2/${repository.name}/absent/tags/list`), 'NAME_UNKNOWN']
      ] as const
      for (const [answer, code] of refusals) {
        if (answer.status < 400) continue
        const isJson =
          answer.status < 500 && /^application\/(\w+\+)?json\b/.test(header(answer, 'content-type') ?? '')
        if (isJson) {
          const { errors } = jsonObject(answer)
          if (!Array.isArray(errors) || errors.length === 0)
            fail(`${answer.sent}: no list of errors: ${inWords(answer)}`)
          for (const error of errors) {
            const isRight = isObject(error) && /^[A-Z_]+$/.test(String(error.code))
            mustHold(isRight, `${answer.sent}: an error without a proper code: ${JSON.stringify(error)}`)
          }
        }
        should(answer, { code })
      }
    }
  },
  {
    id: 'R-004',
    level: 'draft',
    section: 'HTTP semantics',
    title: 'a method that an address does not know is 405 with the methods that it knows, or 404',
    async run({ repository, should }) {
      await repository.pushImage('latest')
      const answer = await repository.send('PUT', 'tags/list', { body: Buffer.from('{}') })
      needs(answer, { status: [404, 405] })
      if (answer.status === 405) should(answer, { headers: { allow: /GET/ } })
    }
  },
  {
    id: 'R-007',
    level: 'MAY',
    section: 'Warnings',
    title: 'a warning is written `299 - "text"`, and all of them together are at most 4096 bytes',
    async run({ repository }) {
      const image = await repository.pushImage('latest')
      const answers = [
        await repository.get('/v2/'),
        await repository.get('manifests/latest'),
        await repository.head('manifests/latest'),
        await repository.get('tags/list'),
        await repository.putManifest('again', image)
      ]
      const warned = answers.filter((answer) => header(answer, 'warning') !== undefined)
      if (warned.length === 0) skip('the registry sends no warnings')
      for (const answer of warned) {
        must(answer, { headers: { warning: /^299 - "([^"\\]|\\.)*"(, 299 - "([^"\\]|\\.)*")*$/ } })
        mustHold(
          (header(answer, 'warning') ?? '').length <= 4096,
          `${answer.sent}: over 4096 bytes of warnings`
        )
      }
    }
  },
  {
    id: 'R-008',
    level: 'MAY',
    section: 'Legacy Docker support HTTP headers',
    title: 'every answer says Docker-Distribution-API-Version: registry/2.0',
    async run({ repository, random }) {
      await repository.pushImage('latest')
      for (const target of ['/v2/', 'manifests/latest', 'tags/list', `blobs/${random.digest()}`]) {
        needs(await repository.get(target), {
          headers: { 'docker-distribution-api-version': 'registry/2.0' }
        })
      }
    }
  },
  {
    id: 'R-011',
    level: 'clients',
    section: 'Pulling blobs',
    title: 'what is pulled is never compressed on the way, whatever the client accepts',
    async run({ repository }) {
      const zeros = await repository.pushBlob(Buffer.alloc(4096))
      const note = 'x'.repeat(4096)
      const image = await repository.pushManifest(
        manifestOf({
          config: descriptorOf(zeros, 'text/plain'),
          layers: [descriptorOf(zeros, TYPES.layer)],
          annotations: { note }
        })
      )
      const accept = { accept: ACCEPT, 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' }
      const plain = { 'content-encoding': undefined, 'content-length': /./ }
      needs(await repository.get(`blobs/${zeros.digest}`, accept), { headers: plain, body: zeros.bytes })
      needs(await repository.get(`manifests/${image.digest}`, accept), { headers: plain, body: image.bytes })
    }
  },
  {
    id: 'R-020',
    level: 'MUST',
    section: 'Determining Support',
    title: 'GET /v2/ is 200, and where a login is needed 401 with a challenge until there is one',
    async run({ repository, bare, registry }) {
      const ping = new URL('/v2/', registry)
      const nobody = await bare('GET', ping)
      must(nobody, { status: [200, 401] })
      if (nobody.status === 401) {
        mustHold(parseChallenges(nobody).length > 0, `${nobody.sent}: 401 without a WWW-Authenticate`)
      }
      must(await repository.get('/v2/'), { status: 200 })
    }
  },
  {
    id: 'R-021',
    level: 'docker',
    section: 'API Version Check',
    title: 'GET /v2, without the slash, is answered too, or redirected to /v2/; so is HEAD',
    async run({ repository }) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await repository.send(method, '/v2', { follow: false })
        needs(answer, { status: [200, 301, 302, 307, 308] })
        if (answer.status === 200) continue
        needs(await repository.send(method, locationOf(answer)), { status: 200 })
      }
      needs(await repository.head('/v2/'), { status: 200, body: Buffer.alloc(0) })
    }
  },
  {
    id: 'R-022',
    level: 'docker',
    section: 'API Version Check',
    title: '/v2/ says Docker-Distribution-API-Version: registry/2.0, also when it asks for a login',
    async run({ repository, bare, registry }) {
      const version = { headers: { 'docker-distribution-api-version': 'registry/2.0' } }
      needs(await repository.get('/v2/'), version)
      needs(await bare('GET', new URL('/v2/', registry)), version)
    }
  },
  {
    id: 'R-037',
    level: 'draft',
    section: 'Registry proxying',
    title: 'a pull with ?ns=HOST, or any other word of a query that nobody knows, is an ordinary pull',
    async run({ repository }) {
      const image = await repository.pushImage('latest')
      const blob = await repository.pushBlob()
      const query = '?ns=registry.example.com&whatever=1'
      needs(await repository.get(`manifests/latest${query}`, { accept: ACCEPT }), {
        status: 200,
        body: image.bytes
      })
      needs(await repository.get(`blobs/${blob.digest}${query}`), { status: 200, body: blob.bytes })
      needs(await repository.get(`tags/list${query}`), { status: 200 })
    }
  },
  {
    id: 'R-070',
    level: 'clients',
    section: 'Pushing blobs',
    title: 'words of a query that nobody knows do not disturb a push',
    async run({ repository, random }) {
      const bytes = random.bytes(100)
      const opened = await repository.send('POST', 'blobs/uploads/?origin=docker.io&ns=example.com&_state=x')
      needs(opened, { status: 202 })
      const upload = withQuery(locationOf(opened), { whatever: '1' })
      needs(await repository.close(upload, digestOf(bytes), bytes), { status: 201 })
      must(await repository.get(`blobs/${digestOf(bytes)}`), { status: 200, body: bytes })
    }
  }
]
