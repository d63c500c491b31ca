import { equal } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, scratch } from '../support/processes.ts'
import type { Client, Target } from '../support/registry-clients.ts'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'

/** curl, which shows a password with every request and knows no tokens. */
export function curlClient({ host, trust }: Target): Client {
  const own = ['-sS', '--fail-with-body', ...(trust === undefined ? [] : ['--cacert', join(trust, 'ca.crt')])]
  const base = `${trust === undefined ? 'http' : 'https'}://${host}`
  const folder = scratch()
  let login: string[] = []

  /** Gives the body. */
  async function curl(url: string, ...args: string[]): Promise<string> {
    const { stdout } = await run('curl', [...own, ...login, ...args, new URL(url, base).href])
    return stdout
  }

  async function pushBlob(repository: string, bytes: string): Promise<string> {
    const digest = digestOf(bytes)
    const location = await curl(
      `/v2/${repository}/blobs/uploads/`,
      ...['-X', 'POST', '-o', '/dev/null', '-w', '%header{location}']
    )
    await curl(`${location}?digest=${digest}`, '-X', 'PUT', '--data-binary', bytes)
    return digest
  }

  return {
    async login(password, user = 'unused') {
      login = ['-u', `${user}:${password}`]
      await curl('/v2/')
    },
    async push(namespace) {
      const repository = `${namespace}/curl`
      const config = { mediaType: 'application/vnd.oci.image.config.v1+json', size: 2 }
      const manifest = JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: { ...config, digest: await pushBlob(repository, '{}') },
        layers: []
      })
      const file = join(folder, 'manifest.json')
      writeFileSync(file, manifest)
      const type = ['-H', `Content-Type: ${MANIFEST_TYPE}`]
      await curl(`/v2/${repository}/manifests/v1`, '-X', 'PUT', ...type, '--data-binary', `@${file}`)
      return digestOf(manifest)
    },
    async pull(namespace) {
      const manifest = await curl(`/v2/${namespace}/curl/manifests/v1`, '-H', `Accept: ${MANIFEST_TYPE}`)
      const { config } = JSON.parse(manifest)
      equal(digestOf(await curl(`/v2/${namespace}/curl/blobs/${config.digest}`)), config.digest)
      return digestOf(manifest)
    },
    async remove(namespace, digest) {
      await curl(`/v2/${namespace}/curl/manifests/${digest}`, '-X', 'DELETE')
    }
  }
}

const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
