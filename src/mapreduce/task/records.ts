/** Records in some order, looked at one after the other: what runs, merges and sorted buffers are to those who read them. */
export interface Records {
  /** Holds the record at hand, until `next`. */
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Goes to the next record; false: there is none. Before the first call there is none at hand. */
  next(): boolean;
}

/** Where records go. */
export interface RecordTarget {
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void;
}

/** Copies bytes; short ones by hand, because a call of native code costs as much as forty of them. */
export function copyRange(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start <= SHORT) for (let read = start, write = at; read < end;) to[write++] = from[read++]!;
  else to.set(from.subarray(start, end), at);
}

const SHORT = 48;
