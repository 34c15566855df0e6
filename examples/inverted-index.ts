/**
 * For each word, the files in which it occurs, the one where it is most frequent first.
 *
 *   quorate mr run examples/inverted-index.ts --input docs --output index --local
 */
import { codec, input, job, output } from "quorate/mapreduce";

interface Posting {
  readonly file: string;
  readonly count: number;
}

export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.json<Posting>(),
  map(line, out, task) {
    const file = task.path.slice(task.path.lastIndexOf("/") + 1);
    for (const word of line.toLowerCase().match(/\p{L}{3,}/gu) ?? []) out.emit(word, { file, count: 1 });
  },
  // Fewer postings travel; it may be called any number of times.
  combine(_word, postings, out) {
    for (const posting of added(postings)) out.emit(posting);
  },
  reduce(word, postings, out) {
    const ordered = added(postings).toSorted(
      (left, right) => right.count - left.count || (left.file < right.file ? -1 : 1),
    );
    out.emit({ word, files: ordered });
  },
  output: output.json<{ readonly word: string; readonly files: readonly Posting[] }>(),
});

function added(postings: Iterable<Posting>): readonly Posting[] {
  const counts = new Map<string, number>();
  for (const { file, count } of postings) counts.set(file, (counts.get(file) ?? 0) + count);
  return [...counts].map(([file, count]) => ({ file, count }));
}
