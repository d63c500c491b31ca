import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

/** An answer of the API server that is not a success. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly status: number
  constructor(what: string, status: number, text: string) {
    super(`${what}: ${status} ${text}`)
    this.status = status
  }
}

/** Sends a request with JSON, and gives the JSON of the answer. @throws KubeError unless its status is 2xx */
export type KubeCall = <T = unknown>(method: string, path: string, body?: object) => Promise<T>

/** Calls an API server with a bearer token, or as nobody where there is none. */
export function createKubeCall(server: { url: string; caFile: string }, token?: string): KubeCall {
  const agent = new Agent({ keepAlive: true, ca: readFileSync(server.caFile) })
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return async <T>(method: string, path: string, body?: object): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const headers = { ...authorization, accept: 'application/json', 'content-type': 'application/json' }
      const outgoing = request(server.url + path, { agent, method, headers }, async (answer) => {
        try {
          const chunks: Buffer[] = []
          for await (const chunk of answer) chunks.push(chunk)
          const text = Buffer.concat(chunks).toString()
          const status = answer.statusCode ?? 0
          if (status < 200 || status > 299) throw new KubeError(`${method} ${path}`, status, text)
          resolve(JSON.parse(text))
        } catch (error) {
          reject(error)
        }
      })
      outgoing.on('error', reject)
      outgoing.end(body && JSON.stringify(body))
    })
}
