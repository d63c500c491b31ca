import type { Case } from '../case.ts'
import type { Answer } from '../client.ts'
import { fail, header, json, jsonObject, must, mustHold, needs, skip } from '../expect.ts'
import type { Repository } from '../repository.ts'

/** Byte order and order without regard to case differ in where these stand. */
const TAGS = ['1.10', '1.9', 'Beta', 'alpha', 'gamma_1', 'v2']
const BYTE_ORDER = ['1.10', '1.9', 'Beta', 'alpha', 'gamma_1', 'v2']
const CASELESS_ORDER = ['1.10', '1.9', 'alpha', 'Beta', 'gamma_1', 'v2']

/** "Listing Tags", the catalog, extensions. */
export const discovery: readonly Case[] = [
  {
    id: 'R-100',
    level: 'MUST',
    section: 'Listing Tags',
    title: 'the list of tags is JSON with the repository’s name and every tag, and no other',
    async run({ repository, should }) {
      await repository.pushImage(...TAGS)
      const answer = await repository.get('tags/list')
      must(answer, { status: 200 })
      const { name } = jsonObject(answer)
      mustHold(name === repository.name, `${answer.sent}: expected the name ${repository.name}, got ${name}`)
      mustBe(answer, tagsOf(answer).toSorted(), TAGS.toSorted())
      should(answer, { headers: { 'content-type': /^application\/json\b/ } })
      must(await repository.get(`/v2/${repository.name}/absent/tags/list`), { status: [200, 404] })
    }
  },
  {
    id: 'R-101',
    level: 'MUST',
    section: 'Listing Tags',
    title: 'tags are listed in the order of their letters, with or without regard to case',
    async run({ repository }) {
      await repository.pushImage(...TAGS.toReversed())
      const answer = await repository.get('tags/list')
      must(answer, { status: 200 })
      const tags = tagsOf(answer)
      const isOrdered = [BYTE_ORDER, CASELESS_ORDER].some((order) => order.join() === tags.join())
      mustHold(isOrdered, `${answer.sent}: expected ${BYTE_ORDER}, or ${CASELESS_ORDER}, got ${tags}`)
    }
  },
  {
    id: 'R-102',
    level: 'MUST',
    section: 'Listing Tags',
    title: '?n= gives so many tags, and fewer only at the end or with a link; ?n=0 gives none and no link',
    async run({ repository, should }) {
      const order = await listAll(repository)
      for (const n of [1, 4, TAGS.length]) {
        const answer = await repository.get(`tags/list?n=${n}`)
        must(answer, { status: 200 })
        mustHold(tagsOf(answer).length <= n, `${answer.sent}: more than ${n} tags: ${tagsOf(answer)}`)
        if (header(answer, 'link') === undefined) mustBe(answer, tagsOf(answer), order.slice(0, n))
        mustBe(answer, tagsOf(answer), order.slice(0, tagsOf(answer).length))
      }
      const none = await repository.get('tags/list?n=0')
      must(none, { status: 200, headers: { link: undefined } })
      mustBe(none, tagsOf(none), [])
      should(await repository.get('tags/list?n=100000'), { status: 200 })
      should(await repository.get('tags/list?n=-1'), { status: 400 })
      should(await repository.get('tags/list?n=many'), { status: 400 })
    }
  },
  {
    id: 'R-103',
    level: 'MUST',
    section: 'Listing Tags',
    title: '?last= gives the tags after that one, which need not be there itself',
    async run({ repository, should }) {
      const order = await listAll(repository)
      const after = await repository.get(`tags/list?n=2&last=${order[1]}`)
      must(after, { status: 200 })
      mustBe(after, tagsOf(after), order.slice(2, 4))
      const rest = await repository.get(`tags/list?last=${order[2]}`)
      must(rest, { status: 200 })
      mustBe(rest, tagsOf(rest), order.slice(3))
      const end = await repository.get(`tags/list?n=5&last=${order.at(-1)}`)
      if (should(end, { status: 200 })) mustBe(end, tagsOf(end), [])
      const absent = await repository.get('tags/list?n=1&last=gamma') // it would stand before gamma_1
      if (should(absent, { status: 200 }) && order.at(-1) === 'v2')
        mustBe(absent, tagsOf(absent), ['gamma_1'])
    }
  },
  {
    id: 'R-104',
    level: 'MAY',
    section: 'Listing Tags',
    title: 'a page of tags links to the next as `rel="next"`, and the links lead through all tags',
    async run({ repository, should }) {
      const order = await listAll(repository)
      const found: string[] = []
      let page = await repository.get('tags/list?n=2')
      must(page, { status: 200 })
      if (header(page, 'link') === undefined) skip(`${page.sent}: no Link, though there are more tags`)
      for (let pages = 0; pages < TAGS.length; pages += 1) {
        must(page, { status: 200 })
        found.push(...tagsOf(page))
        const next = nextOf(page)
        if (next === undefined) break
        should(page, { headers: { link: /^<\// } }) // a path, which reaches the registry through any proxy
        page = await repository.get(next)
      }
      mustBe(page, found, order)
    }
  },
  {
    id: 'R-112',
    level: 'docker',
    section: 'Catalog',
    title: 'the catalog lists repositories, page by page',
    async run({ repository, another, should }) {
      const names = [repository, another()]
      for (const one of names) await one.pushImage('latest')
      const found: string[] = []
      let page = await repository.get('/v2/_catalog?n=100')
      if ([401, 403].includes(page.status)) skip('the catalog is not for this user')
      needs(page, { status: 200 })
      for (let pages = 0; pages < 1000; pages += 1) {
        must(page, { status: 200 })
        const { repositories } = jsonObject(page)
        if (!Array.isArray(repositories)) fail(`${page.sent}: no list of repositories`)
        found.push(...repositories.map(String))
        const next = nextOf(page)
        if (next === undefined || names.every(({ name }) => found.includes(name))) break
        page = await repository.get(next)
      }
      for (const { name } of names) {
        if (!found.includes(name)) skip(`the catalog does not list ${name}, to which an image was pushed`)
      }
      should(await repository.get('/v2/_catalog?n=-1'), { status: 400 })
    }
  },
  {
    id: 'R-113',
    level: 'MAY',
    section: 'Endpoints for extensions',
    title: 'a registry with extensions lists them',
    async run({ repository }) {
      const answer = await repository.get('/v2/_oci/ext/discover')
      needs(answer, { status: 200 })
      const { extensions } = jsonObject(answer)
      if (extensions === null) return // as Go writes an empty list
      if (!Array.isArray(extensions)) fail(`${answer.sent}: no list of extensions`)
      for (const extension of extensions) {
        const isWhole = typeof extension?.name === 'string' && Array.isArray(extension.endpoints)
        mustHold(
          isWhole,
          `${answer.sent}: an extension without name or endpoints: ${JSON.stringify(extension)}`
        )
      }
    }
  }
]

/** Pushes the tags, and gives them in the order in which the registry lists them, whatever that is. */
async function listAll(repository: Repository): Promise<string[]> {
  await repository.pushImage(...TAGS)
  const answer = await repository.get('tags/list')
  must(answer, { status: 200 })
  return tagsOf(answer)
}

function tagsOf(answer: Answer): string[] {
  const { tags } = jsonObject(answer)
  if (tags === null) return [] // as Go writes an empty list
  if (!Array.isArray(tags)) fail(`${answer.sent}: no list of tags: ${JSON.stringify(json(answer))}`)
  return tags.map(String)
}

function mustBe(answer: Answer, got: readonly string[], expected: readonly string[]): void {
  const isRight = got.length === expected.length && got.every((one, index) => one === expected[index])
  mustHold(isRight, `${answer.sent}: expected [${expected}], got [${got}]`)
}

/** Where a page's Link leads; undefined on the last one. RFC 8288. @throws Failed when it is no such link */
export function nextOf(answer: Answer): URL | undefined {
  const link = header(answer, 'link')
  if (link === undefined) return undefined
  const [, target = ''] = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link) ?? []
  if (target === '' || !URL.canParse(target, answer.url.href))
    fail(`${answer.sent}: no link to a next page: ${link}`)
  return new URL(target, answer.url)
}
