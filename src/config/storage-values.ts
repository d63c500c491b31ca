import { isEmpty, type Node } from './tree.ts'
import { ofText, type Type } from './values.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB

const STORAGE_CLASSES = [
  'STANDARD',
  'NONE',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'OUTPOSTS',
  'GLACIER_IR',
  'EXPRESS_ONEZONE'
]

export const storageClass: Type<string> = ofText(`one of ${STORAGE_CLASSES.join(', ')}`, (value) =>
  STORAGE_CLASSES.find((each) => each === value.toUpperCase())
)

export const ACLS = [
  'private',
  'none',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'bucket-owner-full-control'
] as const

/** @param what is named, such as `a bucket` */
export const nameOf = (what: string): Type<string> =>
  ofText(`the name of ${what}, without a slash or a colon`, (value) =>
    /^[^/:\s]*$/.test(value) ? value : undefined
  )

export const accountKey: Type<string> = ofText('a key in base64, as the Azure portal shows it', (value) =>
  value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value) ? value : undefined
)

/** As distribution has it a scheme may be missing. */
export const endpoint: Type<string> = ofText(
  'the URL of an S3 server, such as https://s3.example.com:9000, or its host',
  (value) => (isUrl(value.includes('://') ? value : `https://${value}`) ? value : undefined)
)

export const url: Type<string> = ofText('a URL such as https://example.com/path', (value) =>
  isUrl(value) ? value : undefined
)

function isUrl(text: string): boolean {
  const parsed = /\s/.test(text) ? null : URL.parse(text)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return false
  return parsed.username === '' && parsed.password === '' && parsed.search === '' && parsed.hash === ''
}

export const realm: Type<string> = ofText('the domain of a cloud, such as core.windows.net', (value) =>
  /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(value) ? value : undefined
)

/** It goes into a header. */
export const userAgent: Type<string> = ofText('printable ASCII', (value) =>
  /^[ -~]*$/.test(value) ? value : undefined
)

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: KIB, MiB: MIB, GiB: GIB }

/** Bytes, or with a unit. @param expected names the bounds */
export const size = (expected: string, least: number, most: number): Type<number> =>
  ofText(expected, (value) => {
    const [, count = '', unit = ''] = /^(\d{1,12})(KiB|MiB|GiB|)$/.exec(value) ?? []
    const bytes = count === '' ? Number.NaN : Number(count) * (UNITS[unit] ?? 0)
    return bytes >= least && bytes <= most ? bytes : undefined
  })

/** A section of any depth, all values as texts. */
export const document: Type<Readonly<Record<string, unknown>>> = {
  expected: 'a section with what a key file holds',
  parse: (node) =>
    node.kind === 'section' ? (plain(node) as Record<string, unknown>) : isEmpty(node) ? {} : undefined
}

function plain(node: Node): unknown {
  if (node.kind === 'leaf') return node.text
  if (node.kind === 'items') return node.items.map(plain)
  return Object.fromEntries([...node.entries].map(([key, part]) => [key, plain(part)]))
}
