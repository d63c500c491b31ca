import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { createKubeCall, type KubeCall } from './kube-client.ts'
import type { Grant, Manifest } from './kube-objects.ts'
import * as objects from './kube-objects.ts'
import { prepareKube, startApiServer, startEtcd } from './kube-server.ts'
import { scratch } from './processes.ts'
import { needCommands, needGoTool } from './steps.ts'
import { within } from './verdict.ts'

/** Somebody as the API server knows them. */
export interface KubeUser {
  username: string
  uid?: string
  groups?: readonly string[]
  extra?: Record<string, readonly string[]>
}

/** What a SubjectAccessReview asks about; no namespace means everywhere. */
export interface AccessAttributes {
  namespace?: string
  verb: string
  group?: string
  resource: string
  subresource?: string
  name?: string
}

/** A request that reached the API server. */
export interface AuditedCall {
  /** Empty when the API server did not know who it was. */
  username: string
  verb: string
  /** `subjectaccessreviews`, `serviceaccounts/token`; empty for a path that is no resource. */
  resource: string
  path: string
}

/** A real API server that knows RBAC, tokens and namespaces. No controllers run: nothing happens by itself. */
export interface Kube {
  /** `https://127.0.0.1:PORT` */
  url: string
  caFile: string
  /** Calls that may do everything. */
  admin: KubeCall
  /** Calls with another bearer token, or as nobody. */
  as(token?: string): KubeCall
  /** Gives its UID. */
  createNamespace(name: string): Promise<string>
  /** It and all that is in it is gone when this resolves. */
  deleteNamespace(name: string): Promise<void>
  /** Gives it as the API server will see it. */
  createServiceAccount(namespace: string, name: string): Promise<KubeUser>
  /** By TokenRequest, which gives no less than 600 s. A token that was accepted still is 10 s after its end. */
  token(
    namespace: string,
    name: string,
    options?: { audiences?: readonly string[]; expirationSeconds?: number }
  ): Promise<string>
  /** Puts the objects of YAML files, each in its place. Reviews follow them from here on. */
  apply(...files: string[]): Promise<void>
  /** The same for objects. */
  put(...manifests: Manifest[]): Promise<void>
  /** Reviews follow it from here on. */
  bind(grant: Grant): Promise<void>
  unbind(grant: Grant): Promise<void>
  /** Writes a kubeconfig for whoever has the token, and gives its path. */
  kubeconfig(user: { token: string } | { tokenFile: string }): string
  /** What the API server itself says. */
  accessReview(user: KubeUser, attributes: AccessAttributes): Promise<boolean>
  /** All requests so far but those made here, in order of arrival. One that was answered is among them. */
  calls(): AuditedCall[]
  /** Ends the API server; what it knows stays in etcd. */
  stop(): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
  /** Ends it and its etcd. */
  end(): Promise<void>
}

/** The namespace of what is made here for our own ends. */
const BED = 'bed'

/** Starts etcd and an API server, or ends the check as one that cannot run here. Both end with this process at the latest. */
export async function startKube(): Promise<Kube> {
  await needCommands('etcd', 'openssl')
  const binary = await needGoTool('kube-apiserver')
  const etcd = await startEtcd()
  const setup = await prepareKube(binary, etcd.url)
  let server = await startApiServer(setup)
  const { url } = server
  const { caFile } = setup
  const as = (token?: string): KubeCall => createKubeCall({ url, caFile }, token)
  const admin = as(setup.adminToken)
  await objects.put(admin, objects.namespace(BED))

  async function accessReview(user: KubeUser, attributes: AccessAttributes): Promise<boolean> {
    const { username, ...rest } = user
    const { status } = await admin<{ status: { allowed: boolean } }>(
      'POST',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: username, ...rest, resourceAttributes: attributes }
      }
    )
    return status.allowed
  }

  /**
   * Waits until reviews know all roles and bindings written so far. Each of the four kinds reaches them in the
   * order of writing, so it is enough that they know those written now.
   */
  async function settled(): Promise<void> {
    const id = randomUUID()
    await Promise.all(
      [undefined, BED].map(async (namespace) => {
        const resource = namespace === undefined ? 'marks' : 'marks-here'
        const rule = { apiGroups: [BED], resources: [resource], verbs: ['get'] }
        const role = objects.roleOf(id, [rule], namespace)
        const binding = objects.bindingOf({
          subject: { kind: 'User', name: id },
          ...(namespace === undefined ? { clusterRole: id } : { role: id, namespace })
        })
        for (const manifest of [role, binding]) await objects.put(admin, manifest)
        const mark = { verb: 'get', group: BED, resource, ...(namespace && { namespace }) }
        while (!(await accessReview({ username: id }, mark))) await sleep(2)
        for (const manifest of [role, binding]) await admin('DELETE', objects.objectPath(manifest))
      })
    )
  }
  const untilSettled = (): Promise<void> => within(30_000, 'what was written is not reviewed', settled())

  async function putAll(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) await objects.put(admin, manifest)
    await untilSettled()
  }

  return {
    url,
    caFile,
    admin,
    as,
    async createNamespace(name) {
      const { metadata } = await objects.put(admin, objects.namespace(name))
      if (metadata.uid === undefined) throw new Error(`namespace ${name} has no UID`)
      return metadata.uid
    },
    async deleteNamespace(name) {
      const path = objects.objectPath(objects.namespace(name))
      await admin('DELETE', path)
      for (const kind of ['RoleBinding', 'Role', 'ServiceAccount']) {
        const version = kind === 'ServiceAccount' ? 'v1' : 'rbac.authorization.k8s.io/v1'
        await admin('DELETE', objects.collectionPath(version, kind, name))
      }
      await admin('PUT', `${path}/finalize`, { ...objects.namespace(name), spec: { finalizers: [] } })
      const gone = await admin('GET', path).catch((error: unknown) => objects.isStatus(error, 404))
      if (gone !== true) throw new Error(`namespace ${name} is still there`)
      await untilSettled()
    },
    async createServiceAccount(namespace, name) {
      const { metadata } = await objects.put(admin, objects.serviceAccount(namespace, name))
      return {
        username: `system:serviceaccount:${namespace}:${name}`,
        ...(metadata.uid !== undefined && { uid: metadata.uid }),
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
      }
    },
    async token(namespace, name, spec = {}) {
      const path = `${objects.objectPath(objects.serviceAccount(namespace, name))}/token`
      const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
      const { status } = await admin<{ status: { token: string } }>('POST', path, request)
      return status.token
    },
    apply: async (...files) => putAll(files.flatMap(readManifests)),
    put: async (...manifests) => putAll(manifests),
    bind: async (grant) => putAll([objects.bindingOf(grant)]),
    async unbind(grant) {
      await admin('DELETE', objects.objectPath(objects.bindingOf(grant)))
      await untilSettled()
    },
    kubeconfig: (user) => writeKubeconfig({ url, caFile }, user),
    accessReview,
    calls: () => readCalls(setup.auditFile),
    stop: () => server.stop(),
    async start() {
      server = await startApiServer(setup)
    },
    async end() {
      await server.stop()
      await etcd.stop()
    }
  }
}

function readManifests(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS()
  })
}

function writeKubeconfig(
  server: { url: string; caFile: string },
  user: { token: string } | { tokenFile: string }
): string {
  const file = join(scratch(), 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': BED,
    contexts: [{ name: BED, context: { cluster: BED, user: BED } }],
    clusters: [{ name: BED, cluster: { server: server.url, 'certificate-authority': server.caFile } }],
    users: [{ name: BED, user }]
  }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 }) // YAML holds JSON
  return file
}

interface AuditEvent {
  verb: string
  requestURI: string
  user: { username?: string }
  objectRef?: { resource: string; subresource?: string }
}

function readCalls(auditFile: string): AuditedCall[] {
  const lines = readFileSync(auditFile, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => {
    const { verb, requestURI, user, objectRef }: AuditEvent = JSON.parse(line)
    return {
      username: user.username ?? '',
      verb,
      resource: [objectRef?.resource ?? [], objectRef?.subresource ?? []].flat().join('/'),
      path: requestURI
    }
  })
}
