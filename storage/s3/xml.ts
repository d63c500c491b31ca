import { type X2jOptions, XMLParser } from 'fast-xml-parser'

/** Elements of which there may be many. */
const LISTS = new Set(['Contents', 'CommonPrefixes', 'Upload', 'Error'])

const OPTIONS: X2jOptions = {
  ignoreAttributes: true,
  ignoreDeclaration: true,
  // A key may look like a number.
  parseTagValue: false,
  // Nor is a space at its end to be left out.
  trimValues: false,
  // The quotes of an ETag come as `&#34;` from some stores.
  htmlEntities: true,
  processEntities: { enabled: true, maxTotalExpansions: Number.POSITIVE_INFINITY },
  isArray: (name, path) => LISTS.has(name) && path !== name
}

export type Xml = { readonly [name: string]: string | Xml | readonly Xml[] | undefined }

const parser = new XMLParser(OPTIONS)

/** What the document's outermost element holds, if it is of this name. */
export function parseXml(text: string, name: string): Xml | undefined {
  try {
    const root: unknown = parser.parse(text)[name]
    return typeof root === 'object' ? (root as Xml) : typeof root === 'string' ? {} : undefined
  } catch {
    return undefined
  }
}

export const textOf = (xml: Xml, name: string): string | undefined => {
  const value = xml[name]
  return typeof value === 'string' ? value : undefined
}

export const listOf = (xml: Xml, name: string): readonly Xml[] => {
  const value = xml[name]
  return Array.isArray(value) ? value : []
}

/** A carriage return would be read as a line feed. */
const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' }

/** The body of a request. Lists stand for one element after the other. */
export function toXml(name: string, content: object): Buffer {
  return Buffer.from(`<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner(content)}</${name}>`)
}

function inner(content: string | object): string {
  if (typeof content === 'string') return content.replace(/[&<>\r]/g, (char) => ESCAPES[char] ?? '')
  return Object.entries(content)
    .flatMap(([name, value]) => [value].flat().map((one) => `<${name}>${inner(one)}</${name}>`))
    .join('')
}
