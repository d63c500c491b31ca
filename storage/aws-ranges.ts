import { get as getPlain, Agent as PlainAgent } from 'node:http'
import { Agent, get } from 'node:https'
import { BlockList, isIP } from 'node:net'
import { agentOptions, proxyFor } from '../src/outgoing/proxy.ts'
import { trustSystem } from '../src/outgoing/trust.ts'
import type { CloudFront, Surroundings } from './options.ts'

/** The list is 2 MiB long today. */
const MAX_BYTES = 32 * 1024 * 1024
const PATIENCE_MS = 30_000
/** Where it could not be had. */
const AGAIN_MS = 5 * 60_000

type Options = Pick<CloudFront, 'ipfilteredby' | 'awsregion' | 'updatefrequency' | 'iprangesurl'>

/**
 * Whether an address is one of AWS's own networks, by the list that AWS publishes, which is read at once and then every so
 * often. False while there is none yet; a list that cannot be had leaves the former one.
 */
export function followRanges(
  options: Options,
  { env, log }: Pick<Surroundings, 'env' | 'log'>
): (address: string) => boolean {
  let ranges: BlockList | undefined

  async function read(): Promise<void> {
    let next = options.updatefrequency
    try {
      ranges = parseRanges(await fetchText(new URL(options.iprangesurl), env), options)
    } catch (error) {
      next = Math.min(next, AGAIN_MS)
      log.warn(
        `the list of AWS's networks cannot be read from ${options.iprangesurl} (${(error as Error).message}): ` +
          `${ranges === undefined ? 'until it can, all clients are sent to CloudFront' : 'the former one stays in use'}; ` +
          'see iprangesurl of middleware.storage'
      )
    }
    setTimeout(read, next).unref()
  }
  read()

  return (address) => {
    const family = isIP(address)
    return family !== 0 && (ranges?.check(address, family === 4 ? 'ipv4' : 'ipv6') ?? false)
  }
}

/** @throws Error for what is no such list */
export function parseRanges(
  text: string,
  { ipfilteredby, awsregion }: Pick<Options, 'ipfilteredby' | 'awsregion'>
): BlockList {
  const list = JSON.parse(text)
  const regions = new Set(awsregion.map((region) => region.toLowerCase()))
  const networks = new Set<string>()
  for (const [entries, key] of [
    [list.prefixes, 'ip_prefix'],
    [list.ipv6_prefixes, 'ipv6_prefix']
  ]) {
    if (!Array.isArray(entries)) throw new Error('it is not a list of networks')
    for (const entry of entries) {
      if (ipfilteredby === 'aws' || regions.has(String(entry.region).toLowerCase())) networks.add(entry[key])
    }
  }
  const ranges = new BlockList()
  for (const network of networks) {
    const [address = '', length] = network.split('/')
    ranges.addSubnet(address, Number(length), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return ranges
}

async function fetchText(url: URL, env: Surroundings['env']): Promise<string> {
  await trustSystem(env)
  const isSecure = url.protocol === 'https:'
  const proxy = agentOptions(proxyFor(url, env))
  const agent = isSecure ? new Agent(proxy) : new PlainAgent(proxy)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const request = (isSecure ? get : getPlain)(
    url,
    { agent, signal: AbortSignal.timeout(PATIENCE_MS) },
    async (response) => {
      try {
        if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
        const chunks: Buffer[] = []
        let size = 0
        for await (const chunk of response as AsyncIterable<Buffer>) {
          size += chunk.length
          if (size > MAX_BYTES) throw new Error('it is too long')
          chunks.push(chunk)
        }
        resolve(Buffer.concat(chunks).toString())
      } catch (error) {
        response.destroy()
        reject(error)
      }
    }
  )
  request.on('error', reject)
  try {
    return await promise
  } finally {
    agent.destroy()
  }
}
