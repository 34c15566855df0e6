/**
 * Thirty-two bits of hash for the digest that replicas compare. It guards against mistakes and bit rot, not against malice.
 *
 * A long string is sampled: its length, both ends and characters between. A divergence of replicas that replace values
 * whole shows; the cost of a write stays bounded.
 */
const WHOLE_LENGTH = 64;
const SAMPLES = 48;

/** Stirs one 32-bit number into another. */
export function stir(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e37_79b1);
  return (mixed ^ (mixed >>> 15)) | 0;
}

/** As `stir`, for a whole number or a fraction of any size. */
export function stirNumber(hash: number, value: number): number {
  return stir(stir(hash, value | 0), Math.floor(value / 0x1_0000_0000) | 0);
}

export function hashText(seed: number, text: string): number {
  const length = text.length;
  let hash = stir(seed, length);
  if (length <= WHOLE_LENGTH) {
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
    return stir(hash, length);
  }
  for (let i = 0; i < 16; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
    hash = Math.imul(hash ^ text.charCodeAt(length - 1 - i), 0x0100_0193);
  }
  const step = Math.floor((length - 32) / SAMPLES) || 1;
  for (let i = 16; i < length - 16; i += step) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return stir(hash, length);
}
