/** The second: its input is the first's output, and its output is in one order over all files: the most frequent word first. */
import type { Job } from "../../../mapreduce/index.ts";
import { codec, input, job, output } from "../../../mapreduce/index.ts";

const NOTHING = new Uint8Array(0);

const topWords: Job = job({
  input: input.keyValueLines(),
  key: codec.tuple(codec.descending(codec.integer), codec.text),
  value: codec.bytes,
  map: ({ key, value }, out) => out.emit([Number(value), key], NOTHING),
  totalOrder: true,
  reduce([count, word], _values, out) {
    out.emit(word, String(count));
  },
  output: output.keyValue(),
});
export default topWords;
