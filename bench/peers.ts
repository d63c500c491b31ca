import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { freePort, type RunningServer, scratch, startServer } from '../test/integration/support/processes.ts'
import { certificate, type Setup } from './setup.ts'

/** zot as it is shipped, over a folder; it writes its access log at the level `info`. */
export async function startZot(root: string, setup: Setup, command: string): Promise<RunningServer> {
  const port = await freePort()
  const files = setup.tls ? await certificate() : undefined
  const config = {
    distSpecVersion: '1.0.1-dev',
    storage: { rootDirectory: root },
    http: {
      address: '127.0.0.1',
      port: `${port}`,
      ...(files && { tls: { cert: files.certificate, key: files.key } })
    },
    log: { level: setup.accessLog ? 'info' : 'error' }
  }
  const file = join(scratch(), 'zot.json')
  writeFileSync(file, JSON.stringify(config))
  return startServer({
    command,
    args: ['serve', file],
    env: process.env,
    scheme: setup.tls ? 'https' : 'http',
    port,
    root,
    ready: '/v2/'
  })
}

/** nginx that serves the files below a folder by their paths. */
export async function startNginx(root: string, setup: Setup): Promise<RunningServer> {
  const port = await freePort()
  const folder = scratch()
  mkdirSync(root, { recursive: true })
  writeFileSync(join(root, 'ready'), '')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const files = setup.tls ? await certificate() : undefined
  const config = `
    daemon off;
    worker_processes ${cpus().length};
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    pid ${folder}/pid;
    error_log ${folder}/error.log;
    events {}
    http {
      access_log ${setup.accessLog ? `${folder}/access.log` : 'off'};
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n      ')}
      sendfile on;
      tcp_nopush on;
      keepalive_requests 1000000000;
      server {
        listen 127.0.0.1:${port}${files ? ' ssl' : ''};
        ${files ? `ssl_certificate ${files.certificate};\n        ssl_certificate_key ${files.key};` : ''}
        root ${root};
      }
    }`
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, config)
  return startServer({
    command: 'nginx',
    args: ['-c', file, '-e', join(folder, 'error.log')],
    env: process.env,
    scheme: setup.tls ? 'https' : 'http',
    port,
    root,
    ready: '/ready'
  })
}
