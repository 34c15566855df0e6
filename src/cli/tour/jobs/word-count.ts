/** The tour's first job: how often each word occurs, cut as `documents.ts` cuts it for the plain count. */
import type { Job } from "../../../mapreduce/index.ts";
import { codec, input, job, output, sum } from "../../../mapreduce/index.ts";
import { wordsOf } from "../words.ts";

const wordCount: Job = job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map(line, out) {
    for (const word of wordsOf(line)) out.emit(word, 1);
  },
  reduce: sum,
  output: output.keyValue(),
});
export default wordCount;
