/**
 * Lines sorted, over all files of the output: `cat sorted/part-*` is one sorted text, whatever the number of reduces. The ranges of
 * keys are sampled before the job begins, so that the files are of about the same size.
 *
 *   quorate mr run examples/total-order-sort.ts --input README.md --output sorted --reduces 4 --local
 */
import { codec, input, job, output } from "quorate/mapreduce";

export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.bytes,
  map: (line, out) => out.emit(line, NOTHING),
  totalOrder: true,
  reduce(line, values, out) {
    for (const _ of values) out.emit(line);
  },
  output: output.text(),
});

const NOTHING = new Uint8Array(0);
