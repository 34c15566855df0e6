/**
 * mapreduce: what a job's module imports. It is small on purpose: a copy of it is bundled with each job.
 *
 * - `job`, `mapOnly`, `mapped`: a job, one without reduces, one of several inputs.
 * - `sum`, `count`, `min`, `max`, `identity`: combiners and reducers that call no code of the program.
 * - `codec`: of keys and values; `input`, `output`: formats of files.
 */
export * as input from "./input/formats.ts";
export * as output from "./output/format.ts";
export * as codec from "./codec/codecs.ts";
export { count, identity, job, mapOnly, mapped, max, min, sum } from "./job.ts";
export type {
  ByteMapOutput,
  Compare,
  Fold,
  Job,
  JobDefinition,
  JoinDefinition,
  MapOnlyDefinition,
  MapOutput,
  Mapped,
  NamedOutputs,
  Output,
  Task,
} from "./job.ts";
export type { CsvRow } from "./input/csv.ts";
