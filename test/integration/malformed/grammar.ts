import { createHash } from 'node:crypto'
import { OCI_MANIFEST } from '../support/pusher.ts'
import type { Random } from '../support/random.ts'
import { anyEndpoint, type Known, type Malformed, message, type Production } from './production.ts'

// As the specifications print them. Distribution spec: "Pulling manifests", which also advises 255 characters;
// image spec: "Digests", with the encodings that its registered algorithms have.
const NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const DIGEST = /^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/
const REGISTERED = [/^sha256:[a-f0-9]{64}$/, /^sha512:[a-f0-9]{128}$/]

const isName = (text: string): boolean => text.length <= 255 && NAME.test(text)
const isTag = (text: string): boolean => TAG.test(text)
const isDigest = (text: string): boolean => DIGEST.test(text) && REGISTERED.some((form) => form.test(text))

const HEX = createHash('sha512').update('nothing').digest('hex')
const NAMES = ['none', 'a/b', 'a.b/c_d/e__f/g-h/i---j', '0.0', 'a'.repeat(255), `${'a/'.repeat(127)}a`]
const TAGS = ['latest', 'v1.2.3', 'A_b.c-D', '_', 'sha256-abc.sig', 'a'.repeat(128)]
const DIGESTS = [`sha256:${HEX.slice(0, 64)}`, `sha512:${HEX}`, `blake3:${HEX.slice(0, 64)}`]

/** One of the texts with a few characters put in, taken out or replaced, of which the judge says what was asked. */
function drawn(
  random: Random,
  texts: readonly string[],
  alphabet: string,
  judge: (text: string) => boolean,
  wanted: boolean
): string {
  while (true) {
    const characters = [...random.pick(texts)]
    for (let times = random.below(4); times > 0; times -= 1) {
      const added = random.chance(0.5) ? [random.pick([...alphabet])] : []
      characters.splice(random.below(characters.length + 1), random.below(2), ...added)
    }
    const text = characters.join('')
    if (text !== '' && judge(text) === wanted) return text
  }
}

// Each alphabet holds what may stand in a path as it is.
const name = (random: Random, wanted: boolean): string =>
  drawn(random, NAMES, 'az09AZ._-/:@~', isName, wanted)
const tag = (random: Random, wanted: boolean): string => drawn(random, TAGS, 'az09AZ._-:@+~', isTag, wanted)
const digest = (random: Random, wanted: boolean): string =>
  drawn(random, DIGESTS, 'abf019AFGz:=_-.+', isDigest, wanted)

const read = (random: Random, path: string): Malformed => {
  const method = random.pick(['GET', 'HEAD', 'DELETE'])
  return { bytes: message(`${method} ${path}`), method }
}

/** A push of a manifest that is good under this tag, if that is. */
function putUnder(tag: string, { blob, blobSize }: Known): Malformed {
  const config = { mediaType: 'application/octet-stream', digest: blob, size: blobSize }
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] }
  const target = `PUT /v2/fuzz/known/manifests/${tag}`
  return {
    bytes: message(target, [`Content-Type: ${OCI_MANIFEST}`], JSON.stringify(manifest)),
    method: 'PUT'
  }
}

/** Names, tags and digests by chance: what the specifications' expressions match is taken, and nothing else. */
export const GRAMMAR: readonly Production[] = [
  {
    title: 'a name by chance that the expression does not match (R-001, R-002)',
    expected: [400],
    make: (random) => anyEndpoint(random, name(random, false))
  },
  {
    title: 'a name by chance that the expression matches, where nothing is (R-001)',
    expected: [404],
    make: (random) => read(random, `/v2/${name(random, true)}/manifests/latest`)
  },
  {
    title: 'a push under a tag by chance that the expression does not match',
    expected: [400],
    make: (random, known) => putUnder(tag(random, false), known)
  },
  {
    title: 'a push under a tag by chance that the expression matches, which is good',
    expected: [201],
    make: (random, known) => {
      const good = tag(random, true)
      return {
        ...putUnder(good, known),
        async afterwards() {
          const { status } = await known.client.request('DELETE', `/v2/fuzz/known/manifests/${good}`)
          // Another one may have come by the same tag.
          return status === 202 || status === 404 ? undefined : `its deletion: ${status}`
        }
      }
    }
  },
  {
    title: 'a digest by chance that the expressions do not match (R-040, R-057)',
    expected: [400],
    make: (random) => read(random, `/v2/fuzz/known/blobs/${digest(random, false)}`)
  },
  {
    title: 'a digest by chance that the expressions match, of nothing that is there (R-040)',
    expected: [404],
    make: (random) => read(random, `/v2/fuzz/known/blobs/${digest(random, true)}`)
  }
]
