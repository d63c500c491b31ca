import { imageOf, MANIFEST_TYPE } from '../image.ts'
import type { Group, Sample, Site } from '../measure.ts'
import { basicOf, getBytes, pushImage } from '../registry.ts'
import { PLAIN } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { metered } from '../usage.ts'
import { CONNECTIONS, getByWrk } from './requests.ts'

const REPOSITORY = 'bench/tokens'

/** What it costs to look at a token: berth that asks for logins beside berth that lets everybody in. */
export function tokenMeasures({ seconds }: Sizes): Group {
  const image = imageOf(REPOSITORY, [1024])
  const path = `/v2/${REPOSITORY}/manifests/v1`

  /** As a client that has logged in sends it; a new token for each sample, since they are short-lived. */
  async function authorization({ server, contender: { login } }: Site): Promise<Record<string, string>> {
    if (login === undefined) return {}
    const asked = `/openshift/token?service=berth&scope=repository:${REPOSITORY}:pull`
    const answer = await getBytes(server.url, asked, basicOf(login))
    return { Authorization: `Bearer ${JSON.parse(answer.toString()).token}` }
  }

  return {
    space: () => 0,
    prepare: ({ server, contender: { login } }) =>
      pushImage(server.url, REPOSITORY, image, 'v1', login && basicOf(login)),
    measures: [
      {
        name: 'manifest-get-token',
        title: `manifest GET by tag, with a token where logins are asked for, ${CONNECTIONS} kept connections`,
        ...{ unit: 'requests/s', better: 'higher', tools: ['wrk'], setups: [PLAIN], logins: true },
        async sample(site): Promise<Sample> {
          const { server } = site
          const headers = { Accept: MANIFEST_TYPE, ...(await authorization(site)) }
          const hammering = { connections: CONNECTIONS, seconds, headers }
          const { usage, result } = await metered(server.pid, () =>
            getByWrk(server.url, path, image.manifest.length, hammering)
          )
          const { seconds: took, ...found } = result
          return { ...usage, ...found, value: found.requests / took }
        }
      }
    ]
  }
}
