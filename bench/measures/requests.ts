import { wrk } from '../commands.ts'
import { imageOf, MANIFEST_TYPE } from '../image.ts'
import {
  type Group,
  LOGGED,
  type Measure,
  PLAIN,
  type Sample,
  type Site,
  TLS,
  TLS_LOGGED
} from '../measure.ts'
import { expect, pushImage, withConnection } from '../registry.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/requests'
const CONNECTIONS = 32
const IMAGE = imageOf(REPOSITORY, Array<number>(10).fill(16 * 1024))
const ALL_SETUPS = [PLAIN, TLS, LOGGED, TLS_LOGGED]

/** Requests that move next to nothing: what a node asks before it pulls. */
export function requestMeasures({ seconds }: { seconds: number }): Group {
  const get = (name: string, title: string, path: string, length: number): Measure => ({
    ...{ name, title, unit: 'requests/s', better: 'higher', setups: ALL_SETUPS },
    async sample({ server }): Promise<Sample> {
      const headers = { Accept: MANIFEST_TYPE }
      const before = await withConnection(server.url, (connection) =>
        expect(connection, 200, { method: 'GET', path, headers })
      )
      if (before.length !== length) throw new Error(`${path}: ${before.length} bytes, not ${length}`)
      const rawLength = before.head.length + 4 + before.length
      const { usage, result } = await metered(server.pid, () =>
        wrk(server.url + path, { connections: CONNECTIONS, seconds, rawLength, headers })
      )
      const { requests, latencyMs } = result
      return { ...usage, value: requests / result.seconds, requests, latencyMs }
    }
  })
  return {
    tools: ['wrk'],
    files: false,
    prepare: ({ server }: Site) => pushImage(server.url, REPOSITORY, IMAGE, 'v1'),
    measures: [
      get('manifest-get-tag', 'manifest GET by tag', `/v2/${REPOSITORY}/manifests/v1`, IMAGE.manifest.length)
    ]
  }
}
