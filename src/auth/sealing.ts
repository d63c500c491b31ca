import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Keys } from './keys.ts'

const CIPHER = 'aes-256-gcm'
const SALT_BYTES = 16
const TAG_BYTES = 16

/**
 * Hides a text from whoever has not the keys, and tells whether it was changed: AES-256-GCM, as base64url of salt,
 * ciphertext and tag.
 * @param context what the text belongs to; it opens with the same context only
 */
export function seal(keys: Keys, plain: Buffer, context: string): string {
  const salt = randomBytes(SALT_BYTES)
  const cipher = createCipheriv(CIPHER, ...keyAndNonce(keys, salt)).setAAD(associated(keys, context))
  const hidden = [salt, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
  return Buffer.concat(hidden).toString('base64url')
}

/** Undefined for what was not sealed with these keys in this context. */
export function unseal(keys: Keys, text: string, context: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  const end = bytes.length - TAG_BYTES
  if (end < SALT_BYTES) return undefined
  const decipher = createDecipheriv(CIPHER, ...keyAndNonce(keys, bytes.subarray(0, SALT_BYTES)))
    .setAAD(associated(keys, context))
    .setAuthTag(bytes.subarray(end))
  const plain = decipher.update(bytes.subarray(SALT_BYTES, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain
}

/** Each text has a key of its own, since with one key for all, 2^32 random nonces are as many as are safe
 *  (NIST SP 800-38D, 8.3), and a busy cluster gets there. */
function keyAndNonce({ sealing }: Keys, salt: Buffer): [key: Buffer, nonce: Buffer] {
  const bytes = Buffer.from(hkdfSync('sha256', sealing, salt, 'berth sealed text', 32 + 12))
  return [bytes.subarray(0, 32), bytes.subarray(32)]
}

function associated({ id }: Keys, context: string): Buffer {
  return Buffer.from(`${id} ${context}`)
}
