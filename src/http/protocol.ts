import type { ServerHttp2Stream } from 'node:http2'

/** With HTTP/2, the request's own part of its connection; undefined with HTTP/1.1, where a request has all of it. */
export const streamOf = (raw: object): ServerHttp2Stream | undefined =>
  (raw as { stream?: ServerHttp2Stream }).stream

export const isHttp2 = ({ raw }: { raw: object }): boolean => streamOf(raw) !== undefined
