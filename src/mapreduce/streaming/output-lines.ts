/** Records of a streaming job as lines of its output files. */
import type { TaskOutputs } from "../task/task-outputs.ts";
import type { TakePair } from "./record-pipes.ts";
import { printedPart } from "./record-pipes.ts";
import type { PipeFormat, StreamingProgram, StreamingSettings } from "./settings.ts";

const NEWLINE = 10;

/** Takes records, as key, separator and value. Without `lazyOutput` the file is there from now on, also when nothing comes. */
export function outputLines(
  outputs: TaskOutputs,
  { outputSeparator, output, compressOutput }: StreamingSettings,
  { lazyOutput = false }: StreamingProgram,
  format: PipeFormat,
): TakePair {
  if (output === "null") return () => undefined;
  const open = (): ReturnType<TaskOutputs["writer"]> =>
    outputs.writer("part", compressOutput ? "gzip" : "none");
  if (!lazyOutput) open();
  return (key, keyStart, keyEnd, value, valueStart, valueEnd) => {
    const writer = open();
    writer.sink.raw(printedPart(format, key, keyStart, keyEnd));
    writer.sink.raw(outputSeparator);
    writer.sink.raw(printedPart(format, value, valueStart, valueEnd));
    writer.sink.byte(NEWLINE);
    writer.ended();
  };
}
