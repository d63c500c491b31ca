/** The samples of Prometheus' text format by name and labels, as they are written. */
export function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      const value = line.slice(space + 1)
      return [line.slice(0, space), value === 'Nan' ? Number.NaN : Number(value)]
    })
  )
}
