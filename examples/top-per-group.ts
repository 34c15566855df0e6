/**
 * The longest lines of each file: the top N of each group, with the rest neither sorted in memory nor read to the end.
 *
 *   quorate mr run examples/top-per-group.ts --input docs --output longest -D top=3 --local
 */
import { codec, input, job, output } from "quorate/mapreduce";

export default job({
  input: input.textLines(),
  // Sorted by the file, then by length from the longest on, then by the text: what comes first is the top.
  key: codec.tuple(codec.text, codec.descending(codec.integer), codec.text),
  value: codec.integer,
  map(line, out, task) {
    out.emit([task.path.slice(task.path.lastIndexOf("/") + 1), line.length, line], task.position);
  },
  group: 1,
  properties: { top: "3" },
  reduce([file], positions, out, task) {
    let rank = 0;
    for (const position of positions) {
      if (++rank > Number(task.properties["top"])) break;
      out.emit({ file, rank, position });
    }
  },
  output: output.json<{ readonly file: string; readonly rank: number; readonly position: number }>(),
});
