/** Keys and values that go to the output as they are: bytes from one buffer into another, no text and no object between. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Job, Shuffle } from "../job.ts";
import type { Groups } from "./groups.ts";
import type { OutputWriter } from "./output-files.ts";
import type { Records } from "./records.ts";
import { copyView, viewOf } from "./records.ts";

const LINE_END = 10;
/** Records between two looks at how far the file system is behind. */
const TURN_RECORDS = 4096;
/** Codecs whose bytes are what a line of text shows of the value. */
const SHOWN_AS_THEY_ARE: ReadonlySet<string> = new Set(["text", "bytes"]);

/** Whether the output is lines of the keys' and values' own bytes. */
export function isPlainIdentity({ output }: Job, { reduce, key, value }: Shuffle): boolean {
  return (
    typeof reduce !== "function" &&
    "identity" in reduce &&
    output.separator !== undefined &&
    SHOWN_AS_THEY_ARE.has(key.name) &&
    SHOWN_AS_THEY_ARE.has(value.name)
  );
}

export async function writeThrough(
  writer: OutputWriter,
  separator: string,
  groups: Groups,
  records: Records,
): Promise<void> {
  const between = viewOf(Buffer.from(separator, "utf8"));
  const { sink } = writer;
  let { bytes } = sink;
  let view = viewOf(bytes);
  for (let turn = 1; groups.nextRecord(); turn++) {
    const { keyStart, keyEnd, valueStart, valueEnd } = records;
    const length = keyEnd - keyStart + between.byteLength + valueEnd - valueStart + 1;
    sink.reserve(length);
    if (sink.bytes !== bytes) {
      bytes = sink.bytes;
      view = viewOf(bytes);
    }
    const start = sink.length;
    let at = start;
    copyView(records.view, keyStart, keyEnd, view, at);
    at += keyEnd - keyStart;
    copyView(between, 0, between.byteLength, view, at);
    at += between.byteLength;
    copyView(records.view, valueStart, valueEnd, view, at);
    at += valueEnd - valueStart;
    view.setUint8(at, LINE_END);
    if (hasLineEnd(view, start, at))
      throw new QuorateError("ARGUMENT_INVALID", "a line end inside a key or value of a text output");
    sink.length = at + 1;
    writer.ended();
    if (turn % TURN_RECORDS !== 0) continue;
    const waits = writer.isBehind ? writer.drain() : undefined;
    if (waits !== undefined) await waits;
  }
}

/** Four bytes at a time: one of them is the line end when what is left after taking it away borrows. */
function hasLineEnd(view: DataView, start: number, end: number): boolean {
  let at = start;
  for (const last = end - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true) ^ 0x0a0a_0a0a;
    if (((word - 0x0101_0101) & ~word & 0x8080_8080) !== 0) return true;
  }
  for (; at < end; at++) if (view.getUint8(at) === LINE_END) return true;
  return false;
}
