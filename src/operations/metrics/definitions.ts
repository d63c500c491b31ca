import type { Unit } from './bounds.ts'

interface Definition {
  name: string
  help: string
  /** Each with few values, whatever clients send. */
  labels: readonly string[]
}

interface Named {
  name: string
  help: string
}

/** What is measured again and again. It is shown as a summary, which OpenShift's registry has, as a histogram, or as both. */
interface Measured {
  unit: Unit
  labels: readonly string[]
  /** With fewer labels, if it says so. */
  summary?: Named & { labels?: readonly string[] }
  histogram?: Named
}

/** What only grows. Names that begin with `imageregistry_` are those of OpenShift's registry. */
export const COUNTERS = {
  requests: {
    name: 'imageregistry_http_requests_total',
    help: 'Requests that were answered or broken off, by status (499: the client left first) and method.',
    labels: ['code', 'method']
  },
  storageErrors: {
    name: 'imageregistry_storage_errors_total',
    help: 'Storage operations that failed.',
    labels: ['operation', 'code']
  },
  digestCache: {
    name: 'imageregistry_digest_cache_requests_total',
    help: 'Manifests asked for by digest, by whether their bytes were in memory.',
    labels: ['type']
  },
  scopedDigestCache: {
    name: 'imageregistry_digest_cache_scoped_requests_total',
    help: 'Lookups of a manifest or blob in a repository, by whether memory knew it to be there.',
    labels: ['type']
  },
  storageErrorsByDriver: {
    name: 'berth_storage_errors_total',
    help: 'Storage operations that failed, by driver.',
    labels: ['driver', 'operation', 'code']
  },
  storageCalls: {
    name: 'berth_storage_calls_total',
    help: 'Calls to an object store, each try by itself, by what came of them: OK or the code of the fault.',
    labels: ['driver', 'operation', 'code']
  },
  storageRetries: {
    name: 'berth_storage_retries_total',
    help: 'Calls to an object store that were tried again, by the fault of the try before.',
    labels: ['driver', 'operation', 'code']
  },
  received: {
    name: 'berth_network_received_bytes_total',
    help: 'Bytes that came from clients, headers among them, as they come.',
    labels: []
  },
  sent: {
    name: 'berth_network_sent_bytes_total',
    help: 'Bytes that went to clients, headers among them, as they go.',
    labels: []
  },
  uploads: {
    name: 'berth_uploads_total',
    help: 'What became of uploads: started, committed, cancelled, purged, whole (pushed by one request), or mounted.',
    labels: ['event']
  },
  kubernetesRetries: {
    name: 'berth_kubernetes_retries_total',
    help: 'Times that a call to the API server was tried again.',
    labels: []
  },
  staleCredentialsCured: {
    name: 'berth_stale_credentials_cured_total',
    help: 'Public pulls that were let in although their credential is stale.',
    labels: []
  },
  limitedRefused: {
    name: 'berth_limited_requests_refused_total',
    help: 'Requests that were answered 429 since too many were running and waiting, or waited too long.',
    labels: ['kind']
  },
  workerRestarts: {
    name: 'berth_worker_restarts_total',
    help: 'Processes that died and were replaced.',
    labels: []
  },
  cpu: {
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time spent, by process of the pod.',
    labels: ['process']
  }
} as const satisfies Record<string, Definition>

/** What goes up and down; of several processes that report the same, the sum is shown. */
export const GAUGES = {
  inFlight: {
    name: 'imageregistry_http_in_flight_requests',
    help: 'Requests being served.',
    labels: []
  },
  openUploads: {
    name: 'berth_uploads_open',
    help: 'Uploads on the storage that are neither finished nor cancelled, whichever replica took them; once a minute.',
    labels: []
  },
  storageHealthy: {
    name: 'berth_storage_healthy',
    help: '1 while the storage answers, 0 while requests and /readyz get 503 since it does not.',
    labels: []
  },
  receivingUploads: {
    name: 'berth_uploads_receiving',
    help: 'Requests that upload a blob and are being served.',
    labels: []
  },
  limitedRunning: {
    name: 'berth_limited_requests_running',
    help: 'Requests that run and count for the limit of their kind, read or write.',
    labels: ['kind']
  },
  limitedWaiting: {
    name: 'berth_limited_requests_waiting',
    help: 'Requests that wait until another of their kind, read or write, has ended.',
    labels: ['kind']
  },
  connections: {
    name: 'berth_network_connections',
    help: 'Connections from clients that are open.',
    labels: []
  },
  storageFree: {
    name: 'berth_storage_free_bytes',
    help: 'Bytes that may still be written to the storage; not there where it has no limit.',
    labels: []
  },
  storageWritable: {
    name: 'berth_storage_writable',
    help: 'Whether the storage took the last write that it was tried with (1 or 0); not there before the first.',
    labels: []
  },
  storageSize: {
    name: 'berth_storage_size_bytes',
    help: 'Bytes that the storage holds when it is full; not there where it has no limit.',
    labels: []
  },
  residentMemory: {
    name: 'process_resident_memory_bytes',
    help: 'Memory in RAM, by process of the pod. What processes share is counted in each of them.',
    labels: ['process']
  },
  heapUsed: {
    name: 'nodejs_heap_size_used_bytes',
    help: 'JavaScript heap in use, by process of the pod.',
    labels: ['process']
  },
  openFiles: {
    name: 'process_open_fds',
    help: 'Open file descriptors, by process of the pod.',
    labels: ['process']
  },
  startTime: {
    name: 'process_start_time_seconds',
    help: 'When it started, as seconds since 1970, by process of the pod.',
    labels: ['process']
  },
  build: {
    name: 'imageregistry_build_info',
    help: 'Always 1; the labels say which version this is.',
    labels: ['major', 'minor', 'gitCommit', 'gitVersion']
  }
} as const satisfies Record<string, Definition>

export const DISTRIBUTIONS = {
  operations: {
    unit: 'seconds',
    labels: ['operation'],
    summary: {
      name: 'imageregistry_request_duration_seconds',
      help: 'Time that operations on repositories take, transfer included.'
    },
    histogram: {
      name: 'berth_request_duration_seconds',
      help: 'As imageregistry_request_duration_seconds, in buckets that can be summed over pods.'
    }
  },
  requestTime: {
    unit: 'seconds',
    labels: ['method'],
    summary: {
      name: 'imageregistry_http_request_duration_seconds',
      help: 'Time from request to the end of its answer.'
    },
    histogram: {
      name: 'berth_http_request_duration_seconds',
      help: 'As imageregistry_http_request_duration_seconds, in buckets that can be summed over pods.'
    }
  },
  requestSize: {
    unit: 'bytes',
    labels: [],
    summary: { name: 'imageregistry_http_request_size_bytes', help: 'Size of the bodies of requests.' }
  },
  responseSize: {
    unit: 'bytes',
    labels: [],
    summary: { name: 'imageregistry_http_response_size_bytes', help: 'Size of the bodies of whole answers.' }
  },
  // A pod has one driver, so that the summary's series stay apart without it.
  storage: {
    unit: 'seconds',
    labels: ['driver', 'operation'],
    summary: {
      name: 'imageregistry_storage_duration_seconds',
      help: 'Time that storage takes, without what it waits for a client. Of a reader: to the first bytes.',
      labels: ['operation']
    },
    histogram: {
      name: 'berth_storage_duration_seconds',
      help: 'As imageregistry_storage_duration_seconds, by driver, in buckets that can be summed over pods.'
    }
  },
  reviews: {
    unit: 'seconds',
    labels: ['call', 'outcome'],
    histogram: {
      name: 'berth_kubernetes_call_duration_seconds',
      help: 'Calls to the API server, by what was asked and how it ended (answered, forbidden, unavailable).'
    }
  },
  eventLoopLag: {
    unit: 'seconds',
    labels: ['process'],
    histogram: {
      name: 'berth_event_loop_lag_seconds',
      help: 'How late a timer of 250 ms fires, by process of the pod.'
    }
  }
} as const satisfies Record<string, Measured>

export type CounterName = keyof typeof COUNTERS
export type GaugeName = keyof typeof GAUGES
export type DistributionName = keyof typeof DISTRIBUTIONS

/** The values of a metric's labels, in their order. */
export type Labels<Names extends readonly string[]> = { [I in keyof Names]: string }

/** Those of OpenShift's registry whose names or labels are not as Prometheus' conventions ask. */
export const IMPOSED: readonly string[] = ['imageregistry_build_info']
