import { createHash } from 'node:crypto'
import { ab, type Hammered, type Hammering, load, wrk } from '../commands.ts'
import { imageOf, MANIFEST_TYPE } from '../image.ts'
import type { Group, Measure, Sample, Site } from '../measure.ts'
import { expect, placeBlob, pushImage, withConnection } from '../registry.ts'
import { LOGGED, PLAIN, TLS, TLS_LOGGED } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { percentiles } from '../statistics.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/requests'
export const CONNECTIONS = 32
const LAYER_SIZE = 16 * 1024
const LAYERS = 10

/** Requests that move next to nothing: what a node asks before it pulls. */
export function requestMeasures({ seconds }: Sizes): Group {
  const image = imageOf(REPOSITORY, Array<number>(LAYERS).fill(LAYER_SIZE))
  const { manifest, config } = image
  const tag = `/v2/${REPOSITORY}/manifests/v1`
  const byDigest = `/v2/${REPOSITORY}/manifests/sha256:${createHash('sha256').update(manifest).digest('hex')}`
  const layer = `/v2/${REPOSITORY}/blobs/${image.layers[0]?.digest}`
  const small = `/v2/${REPOSITORY}/blobs/${config.digest}`
  const headers = { Accept: MANIFEST_TYPE }
  const hammering = { connections: CONNECTIONS, seconds, headers }

  async function head(url: string, path: string, length: number): Promise<Hammered> {
    const result = await load({ job: 'hammer', method: 'HEAD', url, path, length, ...hammering })
    const { requests, seconds: took, cpu, times } = result
    const latencyMs = percentiles(times.request ?? [])
    return { requests, seconds: took, latencyMs, loadCpus: cpu / took }
  }

  return {
    space: () => 0,
    async prepare(site: Site) {
      if (site.contender.layout !== 'files') return pushImage(site.server.url, REPOSITORY, image, 'v1')
      for (const blob of [...image.layers, config]) await placeBlob(site, REPOSITORY, blob)
    },
    measures: [
      {
        ...measure('manifest-get-tag', 'manifest GET by tag', ['wrk'], (url) =>
          getByWrk(url, tag, manifest.length, hammering)
        ),
        setups: [PLAIN, TLS, LOGGED, TLS_LOGGED],
        quick: true
      },
      measure('manifest-get-digest', 'manifest GET by digest', ['wrk'], (url) =>
        getByWrk(url, byDigest, manifest.length, hammering)
      ),
      measure('manifest-head-tag', 'manifest HEAD by tag', [], (url) => head(url, tag, manifest.length)),
      measure('manifest-head-digest', 'manifest HEAD by digest', [], (url) =>
        head(url, byDigest, manifest.length)
      ),
      {
        ...measure('blob-head', 'blob HEAD', [], (url) => head(url, layer, LAYER_SIZE)),
        setups: [PLAIN, TLS, LOGGED, TLS_LOGGED],
        // What a server of files makes of it shows where the load itself is the limit.
        files: true,
        quick: true
      },
      {
        ...measure('config-get', `GET of a blob of ${config.size} bytes`, ['ab'], (url) =>
          ab(url + small, config.size, hammering)
        ),
        files: true
      }
    ]
  }
}

export async function getByWrk(
  url: string,
  path: string,
  length: number,
  hammering: Hammering
): Promise<Hammered> {
  const { headers = {} } = hammering
  const answer = await withConnection(url, (connection) =>
    expect(connection, 200, { method: 'GET', path, headers })
  )
  if (answer.length !== length) throw new Error(`${path}: ${answer.length} bytes, not ${length}`)
  return wrk(url + path, answer.head.length + '\r\n\r\n'.length + length, hammering)
}

function measure(
  name: string,
  title: string,
  tools: string[],
  act: (url: string) => Promise<Hammered>
): Measure {
  return {
    name,
    title: `${title}, ${CONNECTIONS} kept connections`,
    ...{ unit: 'requests/s', better: 'higher', tools, setups: [PLAIN] },
    async sample({ server }): Promise<Sample> {
      const { usage, result } = await metered(server.pid, () => act(server.url))
      const { seconds, ...found } = result
      return { ...usage, ...found, value: found.requests / seconds }
    }
  }
}
