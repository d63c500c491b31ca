import type { Body, StorageDriver } from '../../../storage/driver.ts'
import type { Recorder } from './recorder.ts'

/** What OpenShift's registry calls what a driver does. */
const OPERATIONS = {
  size: 'StorageDriver.Stat',
  appended: 'StorageDriver.Stat',
  read: 'StorageDriver.Reader',
  readAppended: 'StorageDriver.Reader',
  write: 'StorageDriver.PutContent',
  begin: 'StorageDriver.Writer',
  append: 'FileWriter.Write',
  commit: 'FileWriter.Commit',
  abandon: 'FileWriter.Cancel',
  delete: 'StorageDriver.Delete',
  deleteFolder: 'StorageDriver.Delete',
  list: 'StorageDriver.List',
  countMaking: 'StorageDriver.List',
  tidy: 'StorageDriver.Walk',
  probe: 'StorageDriver.Stat',
  probeWrite: 'StorageDriver.PutContent',
  space: 'StorageDriver.Stat',
  redirect: 'StorageDriver.URLFor'
} as const satisfies Record<Exclude<keyof StorageDriver, 'idle'>, string>

type Operation = keyof typeof OPERATIONS

const BY_ERRNO: Record<string, string> = {
  ENOSPC: 'DEVICE_OUT_OF_SPACE',
  EDQUOT: 'DEVICE_OUT_OF_SPACE',
  EROFS: 'READ_ONLY_FILESYSTEM',
  EFBIG: 'FILE_TOO_LARGE'
}

const BY_NAME: Record<string, string> = {
  ObjectNotFound: 'PATH_NOT_FOUND',
  OffsetConflict: 'INVALID_OFFSET',
  InvalidKey: 'INVALID_PATH',
  StorageFull: 'DEVICE_OUT_OF_SPACE',
  StorageUnavailable: 'UNKNOWN'
}

/** What kind of fault of storage it is; undefined for one of somebody else's, such as a client that leaves. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const byName = BY_NAME[error.name]
  const { code, syscall } = (byName === undefined ? error : (error.cause ?? error)) as NodeJS.ErrnoException
  const byErrno = BY_ERRNO[code ?? '']
  if (byErrno !== undefined) return byErrno
  return byName ?? (code !== undefined && syscall !== undefined ? 'UNKNOWN' : undefined)
}

/** What an administrator is woken for: shown from the start, so that the first of them counts as an increase. */
const ALERTING = ['DEVICE_OUT_OF_SPACE', 'READ_ONLY_FILESYSTEM']
const WRITING: readonly Operation[] = ['write', 'begin', 'append', 'commit']

interface Meter {
  succeeded(sinceMs: number, waitedMs?: number): void
  failed(error: unknown): void
}

/** The same storage, every call of which is counted. @param driver its name, such as `filesystem` */
export function meteredStorage(storage: StorageDriver, driver: string, recorder: Recorder): StorageDriver {
  function countError(operation: string, code: string, growth: number): void {
    recorder.counter('storageErrors', operation, code).add(growth)
    recorder.counter('storageErrorsByDriver', driver, operation, code).add(growth)
  }

  for (const method of WRITING) for (const code of ALERTING) countError(OPERATIONS[method], code, 0)

  function meterOf(operation: string): Meter {
    const times = recorder.distribution('storage', driver, operation)
    return {
      succeeded(sinceMs, waitedMs = 0) {
        times.observe(Math.max(0, performance.now() - sinceMs - waitedMs) / 1000)
      },
      failed(error) {
        const code = codeOf(error)
        if (code !== undefined) countError(operation, code, 1)
      }
    }
  }
  const meters = Object.fromEntries(
    Object.entries(OPERATIONS).map(([method, operation]) => [method, meterOf(operation)])
  ) as Record<Operation, Meter>

  async function timed<T>({ succeeded, failed }: Meter, call: () => Promise<T>): Promise<T> {
    const since = performance.now()
    try {
      const value = await call()
      succeeded(since)
      return value
    } catch (error) {
      failed(error)
      throw error
    }
  }

  /** What a client takes to send its body is no time of storage. */
  async function poured<T>(
    { succeeded, failed }: Meter,
    body: Body,
    call: (body: Body) => Promise<T>
  ): Promise<T> {
    const waited = { ms: 0 }
    const since = performance.now()
    try {
      const value = await call(Symbol.asyncIterator in body ? waiting(body, waited) : body)
      succeeded(since, waited.ms)
      return value
    } catch (error) {
      failed(error)
      throw error
    }
  }

  const { redirect, idle } = storage
  return {
    ...(idle && { idle }),
    ...(redirect && { redirect: (...args) => timed(meters.redirect, () => redirect(...args)) }),
    size: (...args) => timed(meters.size, () => storage.size(...args)),
    appended: (...args) => timed(meters.appended, () => storage.appended(...args)),
    read: (key, range) => new TimedReader(meters.read, storage.read(key, range)),
    readAppended: (...args) => new TimedReader(meters.readAppended, storage.readAppended(...args)),
    write: (key, body, options) => poured(meters.write, body, (body) => storage.write(key, body, options)),
    append: (key, offset, body, mark) =>
      poured(meters.append, body, (body) => storage.append(key, offset, body, mark)),
    begin: (...args) => timed(meters.begin, () => storage.begin(...args)),
    commit: (...args) => timed(meters.commit, () => storage.commit(...args)),
    abandon: (...args) => timed(meters.abandon, () => storage.abandon(...args)),
    delete: (...args) => timed(meters.delete, () => storage.delete(...args)),
    deleteFolder: (...args) => timed(meters.deleteFolder, () => storage.deleteFolder(...args)),
    list: (...args) => timed(meters.list, () => storage.list(...args)),
    countMaking: (...args) => timed(meters.countMaking, () => storage.countMaking(...args)),
    tidy: (...args) => timed(meters.tidy, () => storage.tidy(...args)),
    probe: (...args) => timed(meters.probe, () => storage.probe(...args)),
    probeWrite: (...args) => timed(meters.probeWrite, () => storage.probeWrite(...args)),
    space: (...args) => timed(meters.space, () => storage.space(...args))
  }
}

/** No generator and no closures: those would cost a small read more than the counting. */
class TimedReader implements AsyncIterableIterator<Uint8Array> {
  private readonly meter: Meter
  private readonly chunks: AsyncIterable<Uint8Array>
  private source: AsyncIterator<Uint8Array> | undefined

  constructor(meter: Meter, chunks: AsyncIterable<Uint8Array>) {
    this.meter = meter
    this.chunks = chunks
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const since = this.source === undefined ? performance.now() : undefined
    this.source ??= this.chunks[Symbol.asyncIterator]()
    try {
      const step = await this.source.next()
      if (since !== undefined) this.meter.succeeded(since)
      return step
    } catch (error) {
      this.meter.failed(error)
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    return (await this.source?.return?.()) ?? { done: true, value: undefined }
  }
}

async function* waiting(body: AsyncIterable<Uint8Array>, waited: { ms: number }): AsyncGenerator<Uint8Array> {
  let since = performance.now()
  for await (const chunk of body) {
    waited.ms += performance.now() - since
    yield chunk
    since = performance.now()
  }
  waited.ms += performance.now() - since
}
