/**
 * Bytes in pieces. `[bytes]` is one as well, and tells a driver that the whole is at hand. The pieces of an async
 * body are the driver's once it has asked for the next: it may empty them.
 */
export type Body = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Zero-based and inclusive at both ends, as in RFC 9110 §14.1.2. `start` is at most the object's size. */
export interface ByteRange {
  start: number
  end: number
}

/** What is safe of an object in the making: its size in bytes, and the mark that was kept with that size. */
export interface Appended {
  size: number
  /** At most 160 characters of `a-z 0-9 + . _ -`; empty when there is none. The driver never reads it. */
  mark: string
}

/** In bytes. `free` is what may still be written. */
export interface Space {
  free: number
  size: number
}

export interface Page {
  /** Only names after this one, in byte order. It need not exist. */
  after?: string
  /** At most so many names. */
  limit?: number
}

export interface WriteOptions {
  /** Others write other bytes under this key, as who pushes a tag does. A store may still be at a write that was given
   *  up since its answer did not come: where it can tell, that one is without effect once a later one has succeeded, for
   *  one look more. */
  isContested?: boolean
}

export interface DeleteOptions {
  /** Remove the object only while this text is all it holds. If somebody replaces it at the same time by another
   *  text, theirs stays, whoever comes first: nobody can remove what they have not seen. For small objects. */
  expected?: string
  /** A folder above the object. Those between the two that hold nothing any more vanish, which no writer notices.
   *  Without it no folder does. */
  within?: string
}

/**
 * A flat store of byte objects under slash-separated keys (parts of `A-Z a-z 0-9 . _ -`, never `.` or `..`).
 * It knows nothing of OCI: the registry gives it meaning. A key is either an object or a folder of objects.
 *
 * Bodies come and go as async iterables. A body that throws ends the call with what it threw. A reader that
 * stops early (`break`) frees its handle at once.
 *
 * All that was answered is on stable storage and visible to every process that shares the store. Besides the
 * errors named below, a driver throws StorageFull and StorageUnavailable, each with its cause; a missing
 * permission or a dead network is never "not found".
 */
export interface StorageDriver {
  /** Size in bytes, or undefined when there is no such object. */
  size(key: string): Promise<number | undefined>

  /** The bytes, one chunk read ahead. A chunk is valid only until the next is asked for: copy to keep.
   *  @throws ObjectNotFound, at the first chunk; RangeError when the range starts beyond the end */
  read(key: string, range?: ByteRange): AsyncIterable<Uint8Array>

  /**
   * An address from which a client may fetch the object itself for some minutes, whoever it is: only for who may have
   * the bytes, and never to be logged. Undefined where the driver has none for this one. The object need not exist.
   * @param address the client's, where it is known: some may be sent elsewhere than others
   */
  redirect?(key: string, address?: string): Promise<string | undefined>

  /** All or nothing: a reader sees the former object or this one, never a part. Gives its size.
   *  The body's chunks are the driver's to keep. A body that throws changes nothing. */
  write(key: string, body: Body, options?: WriteOptions): Promise<number>

  /** Starts an object in the making, empty, under a key not used before; it is in no folder, and not visible to
   *  `size` and `read`. Of two that begin one at the same moment one may fail; what either appends stays. It need not survive a power cut before the first `append` has returned. */
  begin(key: string, mark?: string): Promise<void>

  /**
   * Adds to an object in the making, and keeps `mark(newSize)` with it, asked for once the body has ended.
   * `offset` must equal the durable size, and of two that append at one offset one wins. A body that throws
   * keeps what came before it threw (with its mark), then the call rejects with that error. Gives the new size.
   * @throws OffsetConflict with the durable size; ObjectNotFound when there is none in the making
   */
  append(key: string, offset: number, body: Body, mark?: (size: number) => string): Promise<number>

  /** What is durable of an object in the making, or undefined when there is none. */
  appended(key: string): Promise<Appended | undefined>

  /** The durable bytes of an object in the making; range, chunks and errors as with `read`. */
  readAppended(key: string, range?: ByteRange): AsyncIterable<Uint8Array>

  /** How many objects are in the making, whoever began them. It looks into a few folders, or gives undefined. */
  countMaking(): Promise<number | undefined>

  /** Makes what was appended the object at `to`, all or nothing; nothing is in the making at `key` any more.
   *  @throws OffsetConflict when the durable size is not `size`; ObjectNotFound */
  commit(key: string, size: number, to: string): Promise<void>

  /** Ends what is in the making, and frees what it holds. Of what is not there: a success.
   *  @param later a driver to which it is much work may do it when it has answered; then others may still see it */
  abandon(key: string, later?: boolean): Promise<void>

  /** Removes an object, and says whether it was there. What is in the making at `key` stays. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>

  /** Removes a folder and all objects below it (`a` never touches `ab`). Of what is not there: a success. */
  deleteFolder(key: string): Promise<void>

  /** The direct children's names in byte order, folders without a slash. What is not there has none.
   *  A name may be that of a folder in which no object is left. */
  list(key: string, page?: Page): Promise<string[]>

  /** Abandons what is in the making and has not been added to since `before`, and gives how many there were. Frees
   *  what crashes have left outside of any key, as far as nobody can be using it any more. Called daily.
   *  @param mayRemove asked before each removal, with a name for the log */
  tidy(before: Date, mayRemove?: (name: string) => boolean): Promise<number>

  /** How much room there is, or undefined where nothing limits it or nobody knows. */
  space(): Promise<Space | undefined>

  /** Reads a little, to see whether the store is there and answers. @throws StorageUnavailable when it is not */
  probe(): Promise<void>

  /** Resolves once nothing is being cleaned up any more of what was answered before. Who leaves nothing for later has
   *  none. */
  idle?(): Promise<void>

  /** Writes a little, makes it last and removes it. @throws StorageFull, StorageUnavailable when it cannot */
  probeWrite(): Promise<void>
}

/** There is no object under this key. */
export class ObjectNotFound extends Error {
  override readonly name = 'ObjectNotFound'
  constructor(key: string, options?: ErrorOptions) {
    super(`no object at ${key}`, options)
  }
}

/** The offset is not the durable size of what is in the making: `size` is. */
export class OffsetConflict extends Error {
  override readonly name = 'OffsetConflict'
  readonly size: number
  constructor(key: string, size: number) {
    super(`${key} holds ${size} bytes`)
    this.size = size
  }
}

/** No space or quota is left. What was being written is gone, and may be tried again once there is. */
export class StorageFull extends Error {
  override readonly name = 'StorageFull'
}

/** The store refuses or does not answer: read-only, out of file handles, no permission, unreachable. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable'
  /** It is not there any more, or another is in its place: waiting does not help. */
  readonly isGone: boolean
  constructor(message: string, { isGone = false, ...options }: ErrorOptions & { isGone?: boolean } = {}) {
    super(message, options)
    this.isGone = isGone
  }
}

/** Raised before any I/O for a key outside the grammar above: a fault of the caller, never of a client. */
export class InvalidKey extends Error {
  override readonly name = 'InvalidKey'
  constructor(key: string) {
    super(`not a storage key: ${JSON.stringify(key)}`)
  }
}

const KEY = /^(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/

/** @throws InvalidKey */
export function checkKey(key: string): string {
  if (!KEY.test(key)) throw new InvalidKey(key)
  return key
}

const MARK = /^[a-z0-9+._-]{0,160}$/

/** The same for the mark of an object in the making. @throws TypeError */
export function checkMark(mark: string): string {
  if (!MARK.test(mark)) throw new TypeError(`not a mark: ${JSON.stringify(mark)}`)
  return mark
}
