/** Never comes back from one line. */
import { codec, input, job, output, sum } from "../../../src/mapreduce/index.ts";

export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map(line, out) {
    while (line === "hang");
    out.emit(line, 1);
  },
  reduce: sum,
  output: output.keyValue(),
});
