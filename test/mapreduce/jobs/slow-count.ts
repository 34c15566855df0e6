/** Counts words, and takes its time, so that something can happen meanwhile. */
import { codec, input, job, output } from "../../../src/mapreduce/index.ts";

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
let records = 0;

export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  async map(line, out, task) {
    if (records++ % 200 === 0) await pause(Number(task.properties["pause.map"] ?? 50));
    task.count("words", "lines");
    for (const word of line.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) out.emit(word, 1);
  },
  async reduce(word, counts, out, task) {
    if (records++ % 200 === 0) await pause(Number(task.properties["pause.reduce"] ?? 50));
    let sum = 0;
    for (const count of counts) sum += count;
    task.count("words", "distinct");
    out.emit(word, sum);
  },
  output: output.keyValue(),
});
