/** The Range header of HTTP (RFC 9110 section 14): one range of bytes. */

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Undefined: several ranges, another unit or nonsense, all of which a server may answer with the whole. */
export function byteRange(header: string, whole: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), whole);
    return length === 0 ? "unsatisfiable" : { offset: whole - length, length };
  }
  const offset = Number(first);
  if (offset >= whole) return "unsatisfiable";
  const end = last === "" ? whole - 1 : Math.min(Number(last), whole - 1);
  return end < offset ? undefined : { offset, length: end - offset + 1 };
}
