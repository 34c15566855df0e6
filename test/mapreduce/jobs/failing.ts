/** Fails on one line, in a place that its stack must name. */
import { codec, input, job, output, sum } from "../../../src/mapreduce/index.ts";

function count(line: string): number {
  if (line === "the bad line") throw new RangeError(`cannot count "${line}"`);
  return 1;
}

export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map: (line, out) => out.emit(line, count(line)),
  reduce: sum,
  output: output.keyValue(),
});
export const another = job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map: (line, out) => out.emit(line, 1),
  reduce: sum,
  output: output.keyValue(),
});
