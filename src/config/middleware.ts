import type { CloudFront, Middleware, Rewrite } from '../../storage/options.ts'
import { nearest } from './nearest.ts'
import { isDisabled } from './sections.ts'
import { url } from './storage-values.ts'
import { at, isEmpty, itemsOf, type Node } from './tree.ts'
import { between, list, oneOf, parseDefault, type Type, text, textOf } from './values.ts'

const HOUR_MS = 3_600_000

const scheme = oneOf('http', 'https')
const host: Type<string> = {
  expected: 'a host, perhaps with a port',
  parse(node) {
    const value = text.parse(node)
    return value !== undefined && URL.parse(`http://${value}`)?.host.toLowerCase() === value.toLowerCase()
      ? value
      : undefined
  }
}
const prefix: Type<string> = {
  expected: 'the beginning of a path, such as /bucket',
  parse(node) {
    const value = text.parse(node)
    return value?.startsWith('/') ? value : undefined
  }
}

interface Option {
  type: Type<unknown>
  /** Without one it may be missing. */
  plain?: string
  isNeeded?: true
}

/** Of old a slip of the pen was the option's name. */
const FORMER: Readonly<Record<string, string>> = { updatefrenquency: 'updatefrequency' }

const OPTIONS: Readonly<Record<Middleware['name'], Readonly<Record<string, Option>>>> = {
  cloudfront: {
    baseurl: { type: url, isNeeded: true },
    privatekey: { type: textOf('the path of a PEM file'), isNeeded: true },
    keypairid: { type: text, isNeeded: true },
    duration: {
      type: between('a duration from 1m to 168h, such as 20m', 60_000, 168 * HOUR_MS),
      plain: '20m'
    },
    ipfilteredby: { type: oneOf('none', 'aws', 'awsregion'), plain: 'none' },
    awsregion: { type: list('names of regions, a list or separated by commas'), plain: '' },
    updatefrequency: {
      type: between('a duration from 1m to 576h, such as 12h', 60_000, 576 * HOUR_MS),
      plain: '12h'
    },
    iprangesurl: { type: url, plain: 'https://ip-ranges.amazonaws.com/ip-ranges.json' }
  },
  redirect: { baseurl: { type: url, isNeeded: true } },
  rewrite: { scheme: { type: scheme }, host: { type: host }, trimpathprefix: { type: prefix } }
}

const isName = (name: string): name is Middleware['name'] => Object.hasOwn(OPTIONS, name)

/** A problem, by the place in the list where it is; unknown names are of no consequence. */
interface Found {
  middlewares: Middleware[]
  problems: { path: string; node: Node; text: string }[]
  unknown: { path: string; node: Node; best: string | undefined }[]
}

export function readMiddlewares(node: Node): Found {
  const found: Found = { middlewares: [], problems: [], unknown: [] }
  for (const [index, item] of (itemsOf(node) ?? []).entries()) {
    if (isDisabled({ kind: 'items', items: [item], origin: item.origin }) || isEmpty(item)) continue
    readOne(item, `middleware.storage.${index}`, found)
  }
  return found
}

function readOne(item: Node, path: string, { middlewares, problems, unknown }: Found): void {
  const named = at(item, 'name')
  const name = named?.kind === 'leaf' ? named.text.trim() : ''
  if (!isName(name)) {
    problems.push({
      path: `${path}.name`,
      node: named ?? item,
      text: 'must be cloudfront, redirect or rewrite'
    })
    return
  }
  const known = OPTIONS[name]
  const options = at(item, 'options')
  const given = new Map(options?.kind === 'section' ? options.entries : [])
  for (const [former, today] of Object.entries(FORMER)) {
    const value = given.get(former)
    if (value !== undefined && today in known) {
      if (!given.has(today)) given.set(today, value)
      given.delete(former)
    }
  }
  for (const [key, node] of given) {
    if (Object.hasOwn(known, key) || isEmpty(node)) continue
    const best = nearest(key, Object.keys(known))
    unknown.push({ path: `${path}.options.${key}`, node, best: best && `${path}.options.${best}` })
  }
  const values: Record<string, unknown> = {}
  const before = problems.length
  for (const [key, { type, plain, isNeeded }] of Object.entries(known)) {
    const node = given.get(key)
    const where = `${path}.options.${key}`
    if (node !== undefined && !isEmpty(node)) {
      values[key] = type.parse(node)
      if (values[key] === undefined) problems.push({ path: where, node, text: `must be ${type.expected}` })
    } else if (isNeeded) {
      problems.push({
        path: where,
        node: options ?? item,
        text: `must be set: ${name} takes ${type.expected}`
      })
    } else values[key] = plain === undefined ? undefined : parseDefault(type, plain)
  }
  if (problems.length > before) return
  if (name === 'rewrite') middlewares.push({ name, ...values } as Rewrite)
  else {
    const baseurl = String(values.baseurl).replace(/\/*$/, '/')
    middlewares.push({ ...(values as unknown as CloudFront), name, baseurl })
  }
}

/** What is wrong in it is told item by item. */
export const middlewares: Type<readonly Middleware[]> = {
  expected: 'a list',
  parse: (node) => readMiddlewares(node).middlewares
}
