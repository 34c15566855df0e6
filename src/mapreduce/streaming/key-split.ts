/** Where the key of a line ends: behind the so many-th separator, or nowhere, and then all of the line is key. */

export interface KeyRule {
  /** `stream.map.output.field.separator` and its like. Default a tab. */
  readonly separator: Buffer;
  /** `stream.num.map.output.key.fields` and its like. Default 1. */
  readonly fields: number;
}

/** The position of the separator between key and value in `bytes` from `start` to `end`, exclusive; -1: there is none. */
export function findKeyEnd(
  bytes: Buffer,
  start: number,
  end: number,
  { separator, fields }: KeyRule,
): number {
  let at = find(bytes, start, end, separator);
  for (let field = 1; field < fields && at >= 0; field++)
    at = find(bytes, at + separator.length, end, separator);
  return at;
}

function find(bytes: Buffer, start: number, end: number, separator: Buffer): number {
  const [first = 0] = separator;
  const last = end - separator.length;
  for (let at = start; at <= last; at++) {
    if (bytes[at] !== first) continue;
    if (
      separator.length === 1 ||
      bytes.compare(separator, 0, separator.length, at, at + separator.length) === 0
    )
      return at;
  }
  return -1;
}
