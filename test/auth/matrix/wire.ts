import { type IncomingHttpHeaders, request } from 'node:http'
import { HOST } from '../world.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface Message {
  /** GET unless said. */
  method?: string
  /** Sent as it is. */
  path: string
  /** Names and values in turn, sent as they are; beside them only Host. */
  headers?: readonly string[]
  body?: string
}

/** Sends what a test's own client of an app would put right. */
export async function send(
  port: number,
  { method = 'GET', path, headers = [], body }: Message
): Promise<Reply> {
  const length = body === undefined ? [] : ['content-length', String(Buffer.byteLength(body))]
  const sent = ['host', HOST, 'connection', 'close', ...length, ...headers]
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers: sent }, async (answer) => {
      try {
        const text = (await answer.setEncoding('utf8').toArray()).join('')
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text })
      } catch (error) {
        reject(error)
      }
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Status and code of the first error, such as `401 UNAUTHORIZED`; the status alone where there is none. */
export function codeOf({ status, body }: Reply): string {
  const { errors } = body.startsWith('{') ? JSON.parse(body) : {}
  return errors === undefined ? `${status}` : `${status} ${errors[0].code}`
}
