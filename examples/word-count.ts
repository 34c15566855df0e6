/**
 * How often each word occurs.
 *
 *   quorate mr run examples/word-count.ts --input README.md --output counts --local
 */
import { codec, input, job, output, sum } from "quorate/mapreduce";

export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map(line, out) {
    for (const word of line.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) out.emit(word, 1);
  },
  // Also the combiner: numbers of the same word are added up before they travel.
  reduce: sum,
  output: output.keyValue(),
});
