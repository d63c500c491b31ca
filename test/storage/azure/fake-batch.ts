/** The names that a batch of deletions asks for, in order. */
export function namesInBatch(body: Buffer): string[] {
  const lines = [...body.toString().matchAll(/^DELETE (\S+) HTTP\/1\.1\r?$/gm)]
  return lines.map(([, path = '']) => decodeURIComponent(new URL(path, 'http://h').pathname))
}

/** The answer to a batch: one status for each of its requests. */
export function batchAnswer(outcomes: readonly { status: number; code?: string }[]) {
  const boundary = 'batchresponse_1'
  const parts = outcomes.map(({ status, code }, i) =>
    [
      `--${boundary}`,
      'Content-Type: application/http',
      `Content-ID: ${i}`,
      '',
      `HTTP/1.1 ${status} ${status === 202 ? 'Accepted' : 'Refused'}`,
      ...(code === undefined ? [] : [`x-ms-error-code: ${code}`]),
      'x-ms-version: 2026-10-06',
      '',
      ...(code === undefined ? [] : [`<Error><Code>${code}</Code></Error>`, ''])
    ].join('\r\n')
  )
  return {
    status: 202,
    headers: { 'content-type': `multipart/mixed; boundary=${boundary}` },
    body: `${parts.join('\r\n')}\r\n--${boundary}--`
  }
}
