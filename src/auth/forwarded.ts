/** What one proxy says of the request that it passed on. RFC 7239 section 5. */
export interface Hop {
  for?: string
  host?: string
  proto?: string
}

/** A pair, and what comes after it: a `;` for more of the same hop, a `,` for the next one. RFC 7239 section 4. */
const PAIR = /[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w-]+)|"((?:[^"\\]|\\.)*)")[ \t]*)?(;|,|$)/y

/** The hops that the header tells of, the client's first: none where there is no header, undefined where it is
 *  malformed. */
export function parseForwarded(header = ''): Hop[] | undefined {
  const hops: Hop[] = [{}]
  let position = 0
  while (position < header.length) {
    PAIR.lastIndex = position
    const match = PAIR.exec(header)
    if (match === null) return undefined
    const [whole, name, token, quoted, separator] = match
    const key = name?.toLowerCase()
    const hop = hops.at(-1)
    if (hop && (key === 'for' || key === 'host' || key === 'proto')) {
      if (key in hop) return undefined
      hop[key] = token ?? quoted?.replace(/\\(.)/g, '$1') ?? ''
    }
    if (separator === ',') hops.push({})
    position += whole.length
  }
  return hops
}
