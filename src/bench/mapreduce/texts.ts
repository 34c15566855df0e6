/** Inputs of the benchmark, the same from the same seed: text whose words are spread as in languages, and records to sort. */
import { closeSync, openSync, writeSync } from "node:fs";

/** Distinct words, and how fast their frequency falls with their rank. */
const VOCABULARY = 120_000;
const EXPONENT = 1.05;
const WORDS_A_LINE = 10;
const PIECE_BYTES = 1024 * 1024;
const SEED = 20_261_125;

/** Mulberry32: small, and good enough for texts. From 0 to 1. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Writes at least `bytes` of text; gives how often each word is in it. Words are of small letters, the frequent ones short. */
export function writeZipfText(path: string, bytes: number): ReadonlyMap<string, number> {
  const draw = random(SEED);
  const words = Array.from({ length: VOCABULARY }, (_, rank) => wordOf(rank));
  const pick = aliasTable(Float64Array.from({ length: VOCABULARY }, (_, rank) => 1 / (rank + 1) ** EXPONENT));
  const encoded = words.map((word) => Buffer.from(word));
  const counts = new Uint32Array(VOCABULARY);
  write(path, bytes, (piece) => {
    let at = 0;
    while (at < PIECE_BYTES) {
      for (let word = 0; word < WORDS_A_LINE; word++) {
        const rank = pick(draw);
        counts[rank] = (counts[rank] ?? 0) + 1;
        const letters = encoded[rank];
        if (letters !== undefined) at += letters.copy(piece, at);
        piece[at++] = word === WORDS_A_LINE - 1 ? 10 : 32;
      }
    }
    return at;
  });
  return new Map(words.flatMap((word, rank) => ((counts[rank] ?? 0) > 0 ? [[word, counts[rank] ?? 0]] : [])));
}

export const RECORD_BYTES = 100;
const KEY_BYTES = 10;

/** Writes at least `bytes` of lines of 100 bytes, ten of them the key, drawn evenly from 64 letters. Gives how many. */
export function writeRecords(path: string, bytes: number): number {
  const draw = random(SEED + 1);
  const letters = Buffer.from("+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
  let records = 0;
  write(path, bytes, (piece) => {
    let at = 0;
    for (; at + RECORD_BYTES <= PIECE_BYTES; at += RECORD_BYTES) {
      for (let key = 0; key < KEY_BYTES; key++) piece[at + key] = letters[Math.floor(draw() * 64)] ?? 0;
      piece.fill(letters[records % 64] ?? 0, at + KEY_BYTES, at + RECORD_BYTES - 1);
      piece.write(String(records).padStart(12, "0"), at + KEY_BYTES, "latin1");
      piece[at + RECORD_BYTES - 1] = 10;
      records++;
    }
    return at;
  });
  return records;
}

function write(path: string, bytes: number, fill: (piece: Buffer) => number): void {
  const file = openSync(path, "w");
  const piece = Buffer.alloc(PIECE_BYTES + 4096);
  for (let written = 0; written < bytes;) {
    const length = fill(piece);
    for (let at = 0; at < length;) at += writeSync(file, piece, at, length - at);
    written += length;
  }
  closeSync(file);
}

/** Letters only; words of other ranks are other words, and frequent ones are short. */
function wordOf(rank: number): string {
  let text = "";
  for (let left = rank + 1; left > 0; left = Math.floor((left - 1) / 26))
    text += String.fromCharCode(97 + ((left - 1) % 26));
  return text + "etaoin".slice(0, 1 + (rank % 5));
}

/** Draws a number by its weight in constant time (Walker's method of aliases). */
function aliasTable(weights: Float64Array): (draw: () => number) => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scaled = weights.map((weight) => (weight * weights.length) / total);
  const [small, large]: [number[], number[]] = [[], []];
  for (const [at, weight] of scaled.entries()) (weight < 1 ? small : large).push(at);
  const alias = new Uint32Array(weights.length);
  while (small.length > 0 && large.length > 0) {
    const [less = 0, more = 0] = [small.pop(), large.pop()];
    alias[less] = more;
    scaled[more] = (scaled[more] ?? 0) + (scaled[less] ?? 0) - 1;
    ((scaled[more] ?? 0) < 1 ? small : large).push(more);
  }
  for (const rest of [...small, ...large]) scaled[rest] = 1;
  return (draw) => {
    const at = Math.floor(draw() * weights.length);
    return draw() < (scaled[at] ?? 0) ? at : (alias[at] ?? 0);
  };
}
