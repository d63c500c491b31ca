/** What OpenShift's registry brings as its configuration file. */
export const SHIPPED = `version: 0.1
log:
  level: info
http:
  addr: :5000
storage:
  filesystem:
    rootdirectory: /registry
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
auth:
  openshift: {}
openshift:
  version: 1.0
  auth:
    realm: openshift
  audit:
    enabled: false
  metrics:
    enabled: false
  requests:
    read: {maxrunning: 0, maxinqueue: 0, maxwaitinqueue: 0}
    write: {maxrunning: 0, maxinqueue: 0, maxwaitinqueue: 0}
  quota:
    enabled: false
    cachettl: 1m
  cache:
    blobrepositoryttl: 10m
  pullthrough:
    enabled: true
    mirror: true
  compatibility:
    acceptschema2: true
`

export const SECRET = '0123456789abcdef'.repeat(8)

/** What the operator sets whatever the storage. */
export const ALWAYS = {
  REGISTRY_HTTP_ADDR: ':5000',
  REGISTRY_HTTP_NET: 'tcp',
  REGISTRY_HTTP_SECRET: SECRET,
  REGISTRY_LOG_LEVEL: 'info',
  REGISTRY_OPENSHIFT_QUOTA_ENABLED: 'true',
  REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory',
  REGISTRY_STORAGE_DELETE_ENABLED: 'true',
  REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: 'true',
  REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: '10s',
  REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD: '1',
  REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true',
  REGISTRY_OPENSHIFT_SERVER_ADDR: 'image-registry.openshift-image-registry.svc:5000',
  REGISTRY_HTTP_TLS_CERTIFICATE: '/etc/secrets/tls.crt',
  REGISTRY_HTTP_TLS_KEY: '/etc/secrets/tls.key'
}

/** What it sets when an administrator asks for it, or the cluster has it. */
export const SOMETIMES = {
  REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
  REGISTRY_STORAGE_MAINTENANCE_READONLY: '{enabled: true}',
  HTTP_PROXY: 'http://proxy.example.com:3128',
  HTTPS_PROXY: 'http://proxy.example.com:3128',
  NO_PROXY: '.cluster.local,.svc,10.0.0.0/16',
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXRUNNING: '10',
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXINQUEUE: '20',
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXWAITINQUEUE: '30s',
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXRUNNING: '10',
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXINQUEUE: '20',
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXWAITINQUEUE: '0s',
  REGISTRY_HTTP_TLS_MINVERSION: 'VersionTLS12',
  OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES:
    'TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256'
}

export const FILESYSTEM = {
  REGISTRY_STORAGE: 'filesystem',
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/registry'
}
