import type { Kube, KubeUser } from '../support/kube.ts'
import type { Repository, Right } from './attempts.ts'

/** Each right as an access review: in the repository's namespace and by the rest of its name, but for pruning. */
const REVIEWS = {
  pull: { verb: 'get', resource: 'imagestreams', subresource: 'layers' },
  push: { verb: 'update', resource: 'imagestreams', subresource: 'layers' },
  create: { verb: 'create', resource: 'imagestreams' },
  deleteTag: { verb: 'delete', resource: 'imagestreamtags' },
  deleteContent: { verb: 'delete', resource: 'imagestreamimages' },
  prune: { verb: 'delete', resource: 'images' }
} as const
const GROUP = 'image.openshift.io'

/** What an action of a token's scope takes: any of these. */
const ACTIONS = {
  pull: ['pull'],
  push: ['push'],
  delete: ['deleteTag', 'deleteContent', 'prune']
} as const satisfies Record<string, readonly Right[]>
export type TokenAction = keyof typeof ACTIONS

type Place = Partial<Pick<Repository, 'namespace' | 'name'>>

/** What the API server says, without berth. */
export interface Oracle {
  /** @param place a repository, a namespace, or everywhere */
  may(user: KubeUser, right: Right, place: Place): Promise<boolean>
  mayAll(user: KubeUser, rights: readonly Right[], place: Place): Promise<boolean>
  /** Whether a token of the registry can be had for it. */
  grants(user: KubeUser, action: TokenAction, place: Place): Promise<boolean>
}

export function createOracle(kube: Kube): Oracle {
  async function may(user: KubeUser, right: Right, { namespace, name }: Place): Promise<boolean> {
    const place = { ...(namespace && { namespace }), ...(name && { name }) }
    return kube.accessReview(user, { ...REVIEWS[right], group: GROUP, ...(right !== 'prune' && place) })
  }
  return {
    may,
    mayAll: async (user, rights, place) =>
      (await Promise.all(rights.map((right) => may(user, right, place)))).every(Boolean),
    grants: async (user, action, place) =>
      (await Promise.all(ACTIONS[action].map((right) => may(user, right, place)))).some(Boolean)
  }
}
