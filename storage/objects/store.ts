import type { ByteRange } from '../driver.ts'

/** An object, as a listing or a look at it tells. */
export interface Found {
  /** Below the root directory, as the registry spells it. */
  key: string
  size: number
  modified: Date
  /** As `Opened` has it, where a look tells. */
  version?: string | undefined
}

/** An object that is being read. */
export interface Opened {
  /** Of the whole object. */
  size: number
  /** Changes whenever the object does: its ETag or its generation. */
  version: string
  /** As the connection delivers it; it throws when that breaks, and may end too early. Each is the reader's, who may
   *  empty it. */
  chunks: AsyncIterable<Uint8Array>
}

/** What a page of a listing may hold: objects, and with a delimiter folders, their keys without a slash. */
export interface Listed {
  objects: Found[]
  folders: string[]
  /** Where to go on; undefined at the end. */
  next?: string | undefined
}

export interface ListOptions {
  /** Gather what is below the next slash into one folder. */
  byFolder: boolean
  /** Only keys after this one, in byte order. A store that cannot begin there gives all. */
  after?: string | undefined
  /** At most so many entries; at most 1000. */
  limit?: number | undefined
  /** From the page before. */
  from?: string | undefined
}

export interface PutOptions {
  isNew?: boolean
  isContested?: boolean
}

/** A piece of an object that is to be assembled. */
export interface Piece {
  key: string
  size: number
}

/**
 * Some parts of one object, sent side by side. Nothing is visible before `complete`. All parts but the last are
 * equally long.
 */
export interface Parts {
  /** @param number from 1 on
   *  @param bytes in pieces: they are one after the other what is sent, and stay as they are until it has been */
  put(number: number, bytes: readonly Uint8Array[]): Promise<void>
  /** Makes the parts the object: all or nothing. */
  complete(): Promise<void>
  /** Frees them. It never throws: what stays is for the lifecycle rule. */
  abort(): Promise<void>
}

/**
 * What S3, GCS and Azure Blob have in common: whole objects under flat keys, of which one call sees or makes one.
 * `objectStorage` builds a driver on it. Each call tries again by itself as `retry.ts` says, ends within its deadline, and
 * throws StorageUnavailable, with a cause and in words for an administrator, for whatever is not named here: a
 * missing bucket or permission is never "not found".
 */
export interface ObjectStore {
  head(key: string): Promise<Found | undefined>

  /** Undefined when there is no such object. Of a range that begins at the end or behind it it is RangeError.
   *  @param version only while it is this one. @throws ConditionFailed when it is not */
  get(key: string, range?: ByteRange, version?: string): Promise<Opened | undefined>

  /** The whole object in one call, and checked by the store on its way where the store can.
   *  @param bytes in pieces, as those of a part
   *  @param isNew only where there is none. @throws ConditionFailed when there is
   *  @param isContested as WriteOptions has it. A store without conditions on puts does not heed it */
  put(key: string, bytes: readonly Uint8Array[], options?: PutOptions): Promise<void>

  /** Joins pieces, which all but the last are equally long (at least 5 MiB), within the store. The target is replaced,
   *  all or nothing. @throws ObjectNotFound when a piece is gone */
  assemble(target: string, pieces: readonly Piece[]): Promise<void>

  /** Where an object can be made of parts that are nowhere visible by themselves. Without it, or where it is better for
   *  the store, pieces are put under private keys and assembled. */
  parts?(key: string): Promise<Parts>

  /** Of what is not there: a success without `version`.
   *  @param version only while it is this one. @throws ConditionFailed when it is not */
  delete(key: string, version?: string): Promise<void>

  /** As `delete`, of many, in as few calls as the store allows. */
  deleteAll(keys: readonly string[]): Promise<void>

  /** The keys that begin with `prefix`, in byte order: every entry is in one page. */
  list(prefix: string, options: ListOptions): Promise<Listed>

  /** Ends what stays of parts that were begun before this moment. As far as the store tells: it may give 0. */
  abortParts?(before: Date): Promise<number>

  /** An address from which who has it may GET this object, or undefined where none can be signed.
   *  @param seconds for so long */
  sign?(key: string, seconds: number): Promise<string | undefined>
}

/** The object is there, or it is not the one that was expected. */
export class ConditionFailed extends Error {
  override readonly name = 'ConditionFailed'
  constructor(key: string, options?: ErrorOptions) {
    super(`${key} was changed meanwhile`, options)
  }
}
