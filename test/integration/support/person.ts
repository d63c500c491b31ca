import { createHash } from 'node:crypto'

/** An answer with its body read. */
export interface Reply {
  status: number
  headers: Headers
  text: string
}

/** Somebody with a credential, who talks to a registry as a client does: gets a token for what is to be done. */
export interface Person {
  /** Exchanges the credential; gives the answer whatever it is. */
  exchange(...scopes: string[]): Promise<Reply>
  /** The registry's token for these scopes. @throws Error where there is none */
  token(...scopes: string[]): Promise<string>
  /** @param authorization what is shown in place of the credential */
  ask(method: string, path: string, options?: AskOptions): Promise<Reply>
}

export interface AskOptions {
  body?: Uint8Array | string
  headers?: Record<string, string>
  authorization?: string
}

/** @param url of the registry @param secret the cluster's token; undefined for nobody */
export function createPerson(url: string, secret: string | undefined): Person {
  const credential: Record<string, string> =
    secret === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`anyone:${secret}`).toString('base64')}` }

  async function ask(method: string, path: string, options: AskOptions = {}): Promise<Reply> {
    const { body, headers = {}, authorization } = options
    const answer = await fetch(new URL(path, url), {
      method,
      headers: { ...(authorization === undefined ? credential : { authorization }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : Buffer.from(body) })
    })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }

  async function exchange(...scopes: string[]): Promise<Reply> {
    const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]))
    return ask('GET', `/openshift/token?${query}`)
  }

  return {
    ask,
    exchange,
    async token(...scopes) {
      const { status, text } = await exchange(...scopes)
      if (status !== 200) throw new Error(`no token: ${status} ${text}`)
      return JSON.parse(text).token
    }
  }
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Pushes an image of one layer, showing this token; gives its digest and the layer's. @throws Error with the first refusal */
export async function pushImage(
  person: Person,
  { name, tag, content, token }: { name: string; tag: string; content: string; token?: string }
): Promise<{ digest: string; layer: string }> {
  const shown = token === undefined ? {} : { authorization: `Bearer ${token}` }
  async function must(method: string, path: string, options: AskOptions): Promise<void> {
    const { status, text } = await person.ask(method, path, { ...shown, ...options })
    if (status !== 201) throw new Error(`${method} ${path}: ${status} ${text}`)
  }
  const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
  for (const blob of ['{}', content]) {
    await must('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(blob)}`, { body: blob })
  }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf('{}'), size: 2 },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: digestOf(content),
        size: Buffer.byteLength(content)
      }
    ]
  })
  await must('PUT', `/v2/${name}/manifests/${tag}`, {
    body: manifest,
    headers: { 'content-type': OCI_MANIFEST }
  })
  return { digest: digestOf(manifest), layer: digestOf(content) }
}
