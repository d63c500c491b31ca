import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { agentOptions, type Environment, proxyFor } from '../../src/outgoing/proxy.ts'
import { trustSystem } from '../../src/outgoing/trust.ts'
import type { S3Options } from '../options.ts'
import { signBodies } from './bodies.ts'
import { type Credentials, createCredentials } from './credentials.ts'
import { sendContentMd5 } from './deletes.ts'

/** Where the store is, and how it is spoken to. */
export interface Endpoint {
  /** In words for messages. */
  readonly name: string
  /** A URL; undefined: Amazon's own for the region. */
  readonly url: string | undefined
  /** Amazon's, and not one that is only alike. */
  readonly isAmazon: boolean
  readonly isEncrypted: boolean
}

export interface Connection {
  readonly client: S3Client
  /** For addresses that are given to clients. */
  readonly signer: S3Client
  readonly endpoint: Endpoint
  readonly credentials: Credentials
  close(): void
}

const AMAZON = /(^|\.)amazonaws\.com(\.cn)?$/

export function endpointOf({ regionendpoint, region, secure }: S3Options): Endpoint {
  if (regionendpoint === undefined) {
    return { name: `S3 in ${region}`, url: undefined, isAmazon: true, isEncrypted: secure }
  }
  const text = /^https?:\/\//i.test(regionendpoint)
    ? regionendpoint
    : `${secure ? 'https' : 'http'}://${regionendpoint}`
  const url = new URL(text)
  const isAmazon = AMAZON.test(url.hostname)
  const isEncrypted = url.protocol === 'https:'
  return { name: url.origin, url: text.replace(/\/+$/, ''), isAmazon, isEncrypted }
}

/** Idle connections are closed by us before the store does, which spares most lost races. */
const IDLE_MS = 15_000
const CONNECT_MS = 5_000
/** For each of the three tries to get a token: they are part of no call, and end with none. */
const TOKEN_MS = 15_000

function handlerFor(url: URL, env: Environment, skipverify: boolean) {
  const options = {
    keepAlive: true,
    maxSockets: Number.POSITIVE_INFINITY, // who calls bounds how much is under way
    maxFreeSockets: 128,
    timeout: IDLE_MS,
    ...agentOptions(proxyFor(url, env))
  }
  return {
    httpAgent: new HttpAgent(options),
    httpsAgent: new HttpsAgent({ ...options, rejectUnauthorized: !skipverify }),
    connectionTimeout: CONNECT_MS
  }
}

const ignore = (): void => {}
/** What is to be said of a fault is said where it is caught; without one the SDK writes to the console. */
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** @throws ProxyError, TrustError */
export async function connect(options: S3Options, env: Environment, tokenMs = TOKEN_MS): Promise<Connection> {
  const { bucket, forcepathstyle, useragent } = options
  const endpoint = endpointOf(options)
  if (endpoint.isEncrypted) await trustSystem(env)
  const region = options.region ?? 'us-east-1'
  const sts = {
    ...handlerFor(new URL(`https://sts.${region}.amazonaws.com`), env, false),
    requestTimeout: tokenMs,
    throwOnRequestTimeout: true
  }
  const credentials = createCredentials(options, { clientConfig: { region, requestHandler: sts } })

  const host = new URL(endpoint.url ?? `https://s3.${region}.amazonaws.com`)
  if (!forcepathstyle) host.hostname = `${bucket}.${host.hostname}`
  const handler = handlerFor(host, env, options.skipverify)
  const config: S3ClientConfig = {
    region,
    credentials: credentials.provide,
    forcePathStyle: forcepathstyle,
    tls: options.secure,
    useDualstackEndpoint: options.usedualstack && endpoint.url === undefined,
    useFipsEndpoint: options.usefipsendpoint && endpoint.url === undefined,
    useAccelerateEndpoint: options.accelerate,
    useGlobalEndpoint: false,
    useArnRegion: true,
    maxAttempts: 1,
    logger: SILENT,
    expectContinueHeader: false,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: handler,
    ...(useragent !== undefined && { customUserAgent: useragent })
  }
  const at = (url: string | undefined) => new S3Client({ ...config, ...(url && { endpoint: url }) })
  const client = at(endpoint.url)
  signBodies(client, endpoint)
  sendContentMd5(client, endpoint)
  const signer = options.redirectendpoint === undefined ? client : at(options.redirectendpoint)
  const close = (): void => {
    for (const { httpAgent, httpsAgent } of [handler, sts]) {
      httpAgent.destroy()
      httpsAgent.destroy()
    }
  }
  return { client, signer, endpoint, credentials, close }
}
