import { at, isEmptyLeaf, itemsOf, type Node } from './tree.ts'
import { boolean, duration as exactly, headerLists, list, number, oneOf, type Type, text } from './values.ts'

/** What may stand at a key: one value, parts with names of their own, or a list whose items are alike. */
export type Shape = Type<unknown> | { readonly parts: Parts } | { readonly each: Shape }

type Parts = Readonly<Record<string, Shape>>

/** To distribution a bare number is one of nanoseconds: nothing comes of these, so that is no reason to stop. */
const duration: Type<number> = { ...exactly, parse: (node) => exactly.parse(node) ?? number.parse(node) }

const texts = list('a list of texts')
const parts = (parts: Parts): Shape => ({ parts })
const each = (items: Parts): Shape => ({ each: parts(items) })

/** Distribution's `Parameters`, and OpenShift's: each middleware has its own. */
const OPTIONS: Type<true> = {
  expected: 'a section, with options of its own',
  parse: (node) => (node.kind === 'section' || isEmptyLeaf(node) ? true : undefined)
}

export const LOG_HOOKS = each({
  disabled: boolean,
  type: text,
  levels: texts,
  options: parts({
    smtp: parts({ addr: text, username: text, password: text, insecure: boolean }),
    from: text,
    to: texts
  })
})

export const LETS_ENCRYPT = parts({ cachefile: text, email: text, hosts: texts, directoryurl: text })

export const DEBUG = parts({ addr: text, prometheus: parts({ enabled: boolean, path: text }) })

export const MIDDLEWARE = each({ name: text, disabled: boolean, options: OPTIONS })

export const FILE_CHECKS = each({ file: text, interval: duration, threshold: number })
export const TCP_CHECKS = each({ addr: text, timeout: duration, interval: duration, threshold: number })
export const HTTP_CHECKS = each({
  uri: text,
  headers: headerLists,
  statuscode: number,
  timeout: duration,
  interval: duration,
  threshold: number
})

export const URL_RULES = parts({ allow: texts, deny: texts })
export const PLATFORM_RULES = parts({
  platforms: oneOf('all', 'none', 'list', 'All', 'None', 'List'),
  platformlist: each({ architecture: text, os: text })
})

export const ENDPOINTS = each({
  name: text,
  disabled: boolean,
  url: text,
  headers: headerLists,
  timeout: duration,
  threshold: number,
  backoff: duration,
  ignoredmediatypes: texts,
  ignore: parts({ mediatypes: texts, actions: texts })
})

/** Distribution 2's and 3's together. */
export const REDIS = parts({
  addr: text,
  addrs: texts,
  clientname: text,
  connmaxidletime: duration,
  connmaxlifetime: duration,
  contexttimeoutenabled: boolean,
  db: number,
  dialtimeout: duration,
  disableidentity: boolean,
  identitysuffix: text,
  mastername: text,
  maxactiveconns: number,
  maxidleconns: number,
  maxredirects: number,
  maxretries: number,
  maxretrybackoff: duration,
  minidleconns: number,
  minretrybackoff: duration,
  password: text,
  pool: parts({ maxidle: number, maxactive: number, idletimeout: duration }),
  poolfifo: boolean,
  poolsize: number,
  pooltimeout: duration,
  protocol: number,
  readonly: boolean,
  readtimeout: duration,
  routebylatency: boolean,
  routerandomly: boolean,
  sentinelpassword: text,
  sentinelusername: text,
  tls: parts({ enabled: boolean, certificate: text, key: text, rootcas: texts, clientcas: texts }),
  unstableresp3: boolean,
  username: text,
  writetimeout: duration
})

export const REPORTING = parts({
  bugsnag: parts({ apikey: text, releasestage: text, endpoint: text }),
  newrelic: parts({ licensekey: text, name: text, verbose: boolean })
})

export const PROXY = parts({
  remoteurl: text,
  username: text,
  password: text,
  exec: parts({ command: text, lifetime: duration }),
  ttl: duration,
  cachewritetimeout: duration
})

/** Whether it is a list whose items all say `disabled: true`. */
export const isDisabled = (node: Node): boolean =>
  itemsOf(node)?.every((item) => {
    const disabled = at(item, 'disabled')
    return disabled !== undefined && boolean.parse(disabled) === true
  }) ?? false
