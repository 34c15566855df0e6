/**
 * Parts of a key, by which records are compared and partitioned: `-k pos1[,pos2]` with pos `field[.character][nr]`, as in
 * sort(1), and `-n`, `-r` for all. What Hadoop's KeyFieldBasedComparator and KeyFieldBasedPartitioner understand.
 */
import { QuorateError } from "../../runtime/errors.ts";
import { partitionOf } from "./java-text.ts";
import { putNumber } from "./number-order.ts";

interface KeyPart {
  /** From 1. */
  readonly beginField: number;
  /** From 1. */
  readonly beginCharacter: number;
  /** 0: the end of the key. */
  readonly endField: number;
  /** 0: the last of the field. */
  readonly endCharacter: number;
  readonly numeric: boolean;
  readonly reverse: boolean;
}

export interface KeyParts {
  readonly parts: readonly KeyPart[];
  readonly separator: Buffer;
  /** False: no part names a field, and the key is one. */
  readonly hasFields: boolean;
}

/** A stretch of bytes; `end` is exclusive. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

const LENGTH_BYTES = 4;
const WHOLE_KEY = { beginField: 1, beginCharacter: 1, endField: 0, endCharacter: 0 } as const;
const POSITION = String.raw`(\d+)(?:\.(\d+))?([nr]*)`;
const PART = new RegExp(`^${POSITION}(?:,${POSITION})?$`);

/** Throws USAGE when an option is none. Without options: the whole key. */
export function parseKeyParts(options: string, separator: string): KeyParts {
  const words = options.split(/\s+/).filter((word) => word !== "");
  const parts: KeyPart[] = [];
  let [numeric, reverse] = [false, false];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "-n" || word === "-nr") numeric = true;
    if (word === "-r" || word === "-nr") reverse = true;
    if (!word.startsWith("-k")) continue;
    const position = word === "-k" ? words[++at] : word.slice(2);
    if (position !== undefined) parts.push(parsePart(position));
  }
  const hasFields = parts.length > 0;
  const ordered = parts.map((part) => (part.numeric || part.reverse ? part : { ...part, numeric, reverse }));
  if (!hasFields && words.length > 0) ordered.push({ ...WHOLE_KEY, numeric, reverse });
  return { parts: ordered, separator: Buffer.from(separator), hasFields };
}

/** The older `num.key.fields.for.partition`: the first so many fields. */
export function firstFields(count: number, separator: string): KeyParts {
  const part = { ...WHOLE_KEY, endField: count, numeric: false, reverse: false };
  return { parts: count > 0 ? [part] : [], separator: Buffer.from(separator), hasFields: count > 0 };
}

function parsePart(text: string): KeyPart {
  const match = PART.exec(text);
  const [, field = "", character = "1", order = "", endField = "0", endCharacter = "0", endOrder = ""] =
    match ?? [];
  const begin = { beginField: Number(field), beginCharacter: Number(character) };
  if (match === null || begin.beginField < 1 || begin.beginCharacter < 1)
    throw new QuorateError(
      "USAGE",
      `not a part of a key: "-k ${text}"; it is -k field[.character][nr][,field[.character][nr]]`,
    );
  const marks = order + endOrder;
  return {
    ...begin,
    endField: Number(endField),
    endCharacter: Number(endCharacter),
    numeric: marks.includes("n"),
    reverse: marks.includes("r"),
  };
}

const [ABSENT, PRESENT] = [0, 1];

/**
 * A key as bytes that compare (memcmp) as its parts do: those of each part, then the key itself, then how many bytes stand
 * before it. Keys without a part come before all that have it. `keyWithin` gives the key back.
 */
export function orderedKey(keys: KeyParts, key: Buffer): Buffer {
  const order: number[] = [];
  const lengths = fieldLengths(keys, key);
  for (const part of keys.parts) {
    const flip = part.reverse ? 0xff : 0;
    const put = (byte: number): void => void order.push(byte ^ flip);
    const stretch = stretchOf(keys, part, key, lengths);
    put(stretch === undefined ? ABSENT : PRESENT);
    if (stretch === undefined) continue;
    if (part.numeric) putNumber(key, stretch.start, stretch.end, put);
    else putText(key, stretch, put);
  }
  const bytes = Buffer.allocUnsafe(order.length + key.length + LENGTH_BYTES);
  bytes.set(order);
  bytes.set(key, order.length);
  bytes.writeUInt32LE(order.length, order.length + key.length);
  return bytes;
}

/** Where the key lies in what `orderedKey` made of it; ends are exclusive. */
export function keyWithin(bytes: Buffer, start: number, end: number): Stretch {
  return { start: start + bytes.readUInt32LE(end - LENGTH_BYTES), end: end - LENGTH_BYTES };
}

/** Zeros are marked, so that the end is less than every byte that could stand in its place. */
function putText(key: Buffer, { start, end }: Stretch, put: (byte: number) => void): void {
  for (let at = start; at < end; at++) {
    const byte = key[at] ?? 0;
    put(byte);
    if (byte === 0) put(1);
  }
  put(0);
  put(0);
}

/** The partition of a key, from 0. An empty key goes to the first. */
export function partitionByKeyParts(keys: KeyParts, key: Buffer, partitions: number): number {
  if (key.length === 0) return 0;
  const lengths = fieldLengths(keys, key);
  let hash = 0;
  for (const part of keys.parts) {
    const stretch = stretchOf(keys, part, key, lengths);
    if (stretch === undefined) continue;
    for (let at = stretch.start; at < stretch.end; at++) hash = (Math.imul(31, hash) + key.readInt8(at)) | 0;
  }
  return partitionOf(hash, partitions);
}

/**
 * Lengths of the fields of a key. A separator of several bytes is stepped over by one only, so the field behind it is too
 * long by the others: that is Hadoop's, and what its partitions depend on.
 */
function fieldLengths({ hasFields, separator }: KeyParts, key: Buffer): readonly number[] {
  if (!hasFields) return [0];
  const lengths: number[] = [];
  let start = 0;
  for (let at = key.indexOf(separator); at >= 0; at = key.indexOf(separator, start)) {
    lengths.push(at - start);
    start = at + 1;
  }
  lengths.push(key.length - start);
  return lengths;
}

function stretchOf(
  { separator }: KeyParts,
  part: KeyPart,
  key: Buffer,
  lengths: readonly number[],
): Stretch | undefined {
  if (lengths.length < part.beginField) return undefined;
  const offsetOf = (field: number): number => {
    let offset = 0;
    for (let at = 0; at < field - 1; at++) offset += (lengths[at] ?? 0) + separator.length;
    return offset;
  };
  const start = offsetOf(part.beginField) + part.beginCharacter - 1;
  if (start >= key.length) return undefined;
  let end = key.length;
  if (part.endField > 0 && lengths.length >= part.endField) {
    const ofField = part.endCharacter === 0 ? (lengths[part.endField - 1] ?? 0) : part.endCharacter;
    end = Math.min(end, offsetOf(part.endField) + ofField);
  }
  return { start, end: Math.max(start, end) };
}
