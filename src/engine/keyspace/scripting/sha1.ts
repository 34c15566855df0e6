/** SHA-1 (FIPS 180-4, section 6.1) of a binary string: the name of a script. Not for anything that must resist forgery. */

const BLOCK_BYTES = 64;

/** 40 lower-case hexadecimal digits. */
export function sha1Hex(text: string): string {
  const state = new Int32Array([0x6745_2301, 0xefcd_ab89 | 0, 0x98ba_dcfe | 0, 0x1032_5476, 0xc3d2_e1f0 | 0]);
  const words = new Int32Array(80);
  const length = text.length;
  const blocks = Math.floor((length + 8) / BLOCK_BYTES) + 1;
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 16; i++) {
      const at = block * BLOCK_BYTES + i * 4;
      words[i] = (byteAt(at) << 24) | (byteAt(at + 1) << 16) | (byteAt(at + 2) << 8) | byteAt(at + 3);
    }
    if (block === blocks - 1) {
      words[14] = Math.floor(length / 0x2000_0000);
      words[15] = length << 3;
    }
    compress(state, words);
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");

  /** The message with its padding: one 1 bit, then zeros. */
  function byteAt(at: number): number {
    if (at < length) return text.charCodeAt(at) & 0xff;
    return at === length ? 0x80 : 0;
  }
}

function compress(state: Int32Array, words: Int32Array): void {
  for (let i = 16; i < 80; i++) {
    const mixed = words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!;
    words[i] = (mixed << 1) | (mixed >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  for (let i = 0; i < 80; i++) {
    let mix: number;
    if (i < 20) mix = ((b & c) | (~b & d)) + 0x5a82_7999;
    else if (i < 40) mix = (b ^ c ^ d) + 0x6ed9_eba1;
    else if (i < 60) mix = ((b & c) | (b & d) | (c & d)) - 0x70e4_4324;
    else mix = (b ^ c ^ d) - 0x359d_3e2a;
    const next = (((a << 5) | (a >>> 27)) + mix + e + words[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
}
