/**
 * Gives the memory of a chunk back at once, of which nobody holds another part. Left to the garbage collector, new memory
 * would be looked for again and again in a long body.
 */
export function free({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
