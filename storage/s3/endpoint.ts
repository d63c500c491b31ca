import { isIP } from 'node:net'
import type { S3Options } from '../options.ts'

/** Where the store is, and how it is spoken to. */
export interface Endpoint {
  /** In words for messages. */
  readonly name: string
  /** Of the bucket: what stands before `/` and a key. */
  readonly url: string
  readonly region: string
  /** Amazon's, and not one that is only alike. */
  readonly isAmazon: boolean
  readonly isEncrypted: boolean
}

const AMAZON = /(^|\.)amazonaws\.com(\.cn)?$/
/** By the beginnings of regions' names; the others are below amazonaws.com. */
const DOMAINS: readonly (readonly [string, string])[] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu'],
  ['us-iso-', 'c2s.ic.gov'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['eu-isoe-', 'cloud.adc-e.uk'],
  ['us-isof-', 'csp.hci.ic.gov']
]
/** What can be the first label of a host, and has no dot, which no certificate's wildcard would cover. */
const LABEL = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/

type EndpointOptions = Pick<
  S3Options,
  | 'bucket'
  | 'region'
  | 'regionendpoint'
  | 'secure'
  | 'forcepathstyle'
  | 'usedualstack'
  | 'usefipsendpoint'
  | 'accelerate'
>

/** Of the bucket, by the rules of Amazon's own libraries (Amazon S3 user guide: "Methods for accessing a bucket"). */
export function endpointOf(options: EndpointOptions): Endpoint {
  const { bucket, regionendpoint, secure, forcepathstyle } = options
  const region = options.region ?? 'us-east-1'
  const text = regionendpoint ?? amazonHost(options, region)
  const url = new URL(/^https?:\/\//i.test(text) ? text : `${secure ? 'https' : 'http'}://${text}`)
  const { origin, protocol, hostname } = url
  const base = url.pathname.replace(/\/+$/, '')
  const isInHost = !forcepathstyle && LABEL.test(bucket) && isIP(hostname.replace(/[[\]]/g, '')) === 0
  return {
    name: regionendpoint === undefined ? `S3 in ${region}` : origin,
    url: isInHost ? `${protocol}//${bucket}.${url.host}${base}` : `${origin}${base}/${bucket}`,
    region,
    isAmazon: regionendpoint === undefined || AMAZON.test(hostname),
    isEncrypted: protocol === 'https:'
  }
}

function amazonHost({ usedualstack, usefipsendpoint, accelerate }: EndpointOptions, region: string): string {
  const stack = usedualstack ? '.dualstack' : ''
  if (accelerate) return `s3-accelerate${stack}.amazonaws.com`
  const [, domain] = DOMAINS.find(([prefix]) => region.startsWith(prefix)) ?? ['', 'amazonaws.com']
  return `s3${usefipsendpoint ? '-fips' : ''}${stack}.${region}.${domain}`
}
