/** More changes than this in a short name, and it was something else that was meant. */
const FARTHEST = 3

/** The known name that a mistyped one is most like; undefined if none is. Names are paths such as `http.addr`;
 *  capitals are no mistake of their own. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const most = Math.min(farthest(name, candidate), least - 1)
    if (Math.abs(candidate.length - name.length) > most) continue
    const changes = distance(name.toLowerCase(), candidate.toLowerCase())
    if (changes > most) continue
    best = candidate
    least = changes
  }
  return best
}

/** Of a long word at the end of a path half may be wrong. */
function farthest(name: string, candidate: string): number {
  const [keys, others] = [name.split('.'), candidate.split('.')]
  const longest = Math.max(keys.at(-1)?.length ?? 0, others.at(-1)?.length ?? 0)
  const ofWord = keys.length === others.length ? Math.floor(longest / 2) : 0
  return Math.max(ofWord, Math.min(FARTHEST, Math.floor(name.length / 3)))
}

/** How many letters must be put in, left out or replaced to make one text of the other. */
export function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1]
    for (let column = 1; column <= other.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (other[column - 1] === letter ? 0 : 1)
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
