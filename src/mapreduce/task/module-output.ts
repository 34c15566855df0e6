/** Where a program's records are written. */
import type { Job } from "../job.ts";
import type { OutputFormat } from "../output/format.ts";
import type { OutputWriter } from "./output-files.ts";
import type { TaskOutputs } from "./task-outputs.ts";
import { noSuchOutput } from "./task-outputs.ts";

export type EmitRecord = (...record: never[]) => void;

export function emitterOf(writer: OutputWriter, format: OutputFormat<readonly unknown[]>): EmitRecord {
  const { sink } = writer;
  return ((one: unknown, two: unknown) => {
    format.write(sink, one, two);
    writer.ended();
  }) as EmitRecord;
}

/** `to(name)` of a program's `out`. */
export function namedOutputs(
  job: Job,
  outputs: TaskOutputs,
): { to(name: string): { readonly emit: EmitRecord } } {
  const open = new Map<string, { readonly emit: EmitRecord }>();
  return {
    to(name) {
      const before = open.get(name);
      if (before !== undefined) return before;
      const format = Object.hasOwn(job.outputs, name) ? job.outputs[name] : undefined;
      if (format === undefined) throw noSuchOutput(name);
      const output = { emit: emitterOf(outputs.writer(name, format.compress), format) };
      open.set(name, output);
      return output;
    },
  };
}
