import type { Body } from '../../storage/driver.ts'
import type { Hasher } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'

/** A body on its way to storage. */
export interface Passage {
  chunks: AsyncIterable<Uint8Array>
  /** Of all that came before it too. */
  hasher: Hasher | undefined
  /** Whether a byte of it was asked for: from then on it cannot go anywhere else. */
  isBegun(): boolean
  /** Whether this is what the body itself threw. Then what came before it is stored. */
  isItsOwn(error: unknown): boolean
}

/** Hashes a body as it passes. It ends with RegistryError SIZE_INVALID unless it is as long as its range says. */
export function passOn(body: Body, range: ByteRange | undefined, hasher?: Hasher): Passage {
  let isBegun = false
  let broken: unknown
  async function* chunks(): AsyncGenerator<Uint8Array> {
    isBegun = true
    const stated = range === undefined ? undefined : range.end - range.start + 1
    let size = 0
    try {
      for await (const chunk of body) {
        size += chunk.length
        if (stated !== undefined && size > stated) throw notAsLong(stated, `more than ${stated}`)
        hasher?.update(chunk)
        yield chunk
      }
      if (stated !== undefined && size < stated) throw notAsLong(stated, `${size}`)
    } catch (error) {
      broken = error
      throw error
    }
  }
  return {
    chunks: chunks(),
    hasher,
    isBegun: () => isBegun,
    isItsOwn: (error) => broken !== undefined && error === broken
  }
}

function notAsLong(stated: number, sent: string): RegistryError {
  return new RegistryError('SIZE_INVALID', `Content-Range states ${stated} bytes, but ${sent} were sent`)
}
