/** RFC 3720's polynomial, with its bits the other way round. */
const POLYNOMIAL = 0x82f63b78

/** The k-th says what a byte does to the sum when k more bytes follow it. */
const TABLES = Array.from({ length: 8 }, () => new Int32Array(256))
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array
]

for (let byte = 0; byte < 256; byte++) {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1
  T0[byte] = sum
}
for (let k = 1; k < 8; k++) {
  const [before, table] = [TABLES[k - 1], TABLES[k]] as [Int32Array, Int32Array]
  for (let byte = 0; byte < 256; byte++) {
    const sum = before[byte] as number
    table[byte] = (T0[sum & 0xff] as number) ^ (sum >>> 8)
  }
}

/**
 * CRC32C of pieces one after the other, in base64 as Google Cloud Storage writes it. Eight bytes are taken at a time:
 * 0.55 s for 1 GiB, where the SDK's takes 7.6 s and MD5 1.3 s. Little-endian machines only, as all are that Node runs on
 * here.
 */
export function crc32c(pieces: readonly Uint8Array[]): string {
  let sum = -1
  for (const piece of pieces) sum = add(sum, piece)
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(~sum)
  return bytes.toString('base64')
}

function add(former: number, piece: Uint8Array): number {
  const unaligned = Math.min(piece.length, -piece.byteOffset & 3)
  const pairs = (piece.length - unaligned) >>> 3
  const words = new Int32Array(piece.buffer, piece.byteOffset + unaligned, pairs * 2)
  let sum = addBytes(former, piece, 0, unaligned)
  for (let i = 0; i < words.length; i += 2) {
    const low = (words[i] as number) ^ sum
    const high = words[i + 1] as number
    sum =
      (T7[low & 0xff] as number) ^
      (T6[(low >>> 8) & 0xff] as number) ^
      (T5[(low >>> 16) & 0xff] as number) ^
      (T4[low >>> 24] as number) ^
      (T3[high & 0xff] as number) ^
      (T2[(high >>> 8) & 0xff] as number) ^
      (T1[(high >>> 16) & 0xff] as number) ^
      (T0[high >>> 24] as number)
  }
  return addBytes(sum, piece, unaligned + pairs * 8, piece.length)
}

function addBytes(former: number, piece: Uint8Array, start: number, end: number): number {
  let sum = former
  for (let i = start; i < end; i++) {
    sum = (T0[(sum ^ (piece[i] as number)) & 0xff] as number) ^ (sum >>> 8)
  }
  return sum
}
