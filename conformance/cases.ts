import type { Case } from './case.ts'
import { accepting } from './cases/accepting.ts'
import { challenges } from './cases/challenges.ts'
import { chunks } from './cases/chunks.ts'
import { discovery } from './cases/discovery.ts'
import { management } from './cases/management.ts'
import { manifestPushes } from './cases/manifest-pushes.ts'
import { manifestTypes } from './cases/manifest-types.ts'
import { mounts } from './cases/mounts.ts'
import { pullingBlobs } from './cases/pulling-blobs.ts'
import { pullingManifests } from './cases/pulling-manifests.ts'
import { referrers } from './cases/referrers.ts'
import { rules } from './cases/rules.ts'
import { tokenRequests } from './cases/token-requests.ts'
import { tokens } from './cases/tokens.ts'
import { uploads } from './cases/uploads.ts'

const order = ['R', 'A', 'M']

/** All cases, in the order of their numbers: what registries do, then logins, then kinds of manifests. */
export const CASES: readonly Case[] = [
  rules,
  pullingManifests,
  pullingBlobs,
  uploads,
  chunks,
  mounts,
  manifestPushes,
  discovery,
  referrers,
  management,
  challenges,
  tokenRequests,
  tokens,
  manifestTypes,
  accepting
]
  .flat()
  .sort((a, b) => order.indexOf(a.id.charAt(0)) - order.indexOf(b.id.charAt(0)) || (a.id < b.id ? -1 : 1))
