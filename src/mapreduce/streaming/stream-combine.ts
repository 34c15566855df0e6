/**
 * The combiner of a streaming job: an executable that is run on stretches of sorted records before they are written. Each is
 * run to its end while the task waits, because nothing else is to be done meanwhile.
 */
import { spawnSync } from "node:child_process";
import { QuorateError } from "../../runtime/errors.ts";
import type { Combine } from "../task/combine.ts";
import type { TaskOrder } from "../task/orders.ts";
import type { Records, RecordTarget } from "../task/records.ts";
import type { TaskState } from "../task/task-state.ts";
import { findExecutable, splitCommand } from "./command-line.ts";
import type { StreamingKeys } from "./keys.ts";
import { pairReader, putPair } from "./record-pipes.ts";
import type { StreamingProgram, StreamingSettings } from "./settings.ts";
import { AggregateGroups } from "./stream-reduce.ts";
import { ErrorListener, exitFailure, toolEnvironment } from "./tool.ts";
import { ByteSink } from "../codec/byte-sink.ts";

/** Of its input: with its output, what a run may hold in memory. A combiner may be called any number of times. */
const STRETCH_BYTES = 8 * 1024 * 1024;
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

export interface StreamCombineOptions {
  readonly program: StreamingProgram;
  readonly settings: StreamingSettings;
  readonly keys: StreamingKeys;
  readonly order: TaskOrder;
  readonly task: TaskState;
}

interface Combined {
  readonly key: Buffer;
  readonly value: Buffer;
}

export function streamCombine(command: string, options: StreamCombineOptions): Combine {
  const { settings, keys } = options;
  const { toReducer } = settings;
  return (records, target) => {
    const input = new ByteSink(64 * 1024);
    let last: Buffer | undefined;
    const combine = (): void => {
      const combined = runCombiner(command, input.bytes.subarray(0, input.length), options);
      input.clear();
      for (const { key, value } of combined) target.add(key, 0, key.length, value, 0, value.length);
      const [first] = combined;
      if (last !== undefined && first !== undefined && Buffer.compare(first.key, last) < 0)
        throw new QuorateError(
          "JOB_FAILED",
          `the combiner "${command.slice(0, 100)}" wrote keys that are not in order`,
        );
      last = combined.at(-1)?.key ?? last;
    };
    const put = (bytes: Uint8Array, start: number, end: number): void => input.raw(bytes, start, end);
    while (records.next()) {
      const { bytes, valueStart, valueEnd } = records;
      const { start, end } = keys.within(bytes, records.keyStart, records.keyEnd);
      const pair = { key: bytes, keyStart: start, keyEnd: end, value: bytes, valueStart, valueEnd };
      putPair(toReducer.format, toReducer.separator, pair, put);
      if (input.length >= STRETCH_BYTES) combine();
    }
    if (input.length > 0) combine();
  };
}

/** What it wrote, in the order of the keys, as they travel. */
function runCombiner(command: string, input: Buffer, options: StreamCombineOptions): readonly Combined[] {
  const { settings, keys, order, program, task } = options;
  const environment = toolEnvironment(order, program, settings);
  const [name = "", ...words] = splitCommand(command);
  const path = findExecutable(name, order.directory, environment["PATH"] ?? "");
  const { error, status, signal, stdout, stderr } = spawnSync(path, words, {
    cwd: order.directory,
    env: environment,
    input,
    maxBuffer: OUTPUT_MAX_BYTES,
  });
  const listener = new ErrorListener(settings.reporterPrefix, task, false);
  listener.push(stderr ?? Buffer.alloc(0));
  listener.end();
  const code = status ?? 128;
  // That it did not read to the end is no matter (EPIPE), as long as it ended well.
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== "EPIPE")
    throw new QuorateError("JOB_FAILED", `the combiner "${name}" cannot be run: ${error.message}`, {
      cause: error,
    });
  if ((code !== 0 || signal !== null) && settings.failsOnExitCode)
    throw exitFailure("combiner", command, code, listener.lastLine);
  const combined: Combined[] = [];
  const { format, rule } = settings.fromReducer;
  const reader = pairReader(format, rule, (key, keyStart, keyEnd, value, valueStart, valueEnd) => {
    const encoded = keys.plain
      ? Buffer.from(key.subarray(keyStart, keyEnd))
      : keys.encode(key, keyStart, keyEnd);
    combined.push({ key: encoded, value: Buffer.from(value.subarray(valueStart, valueEnd)) });
  });
  reader.push(stdout);
  reader.end();
  return combined.sort((left, right) => Buffer.compare(left.key, right.key));
}

/** The combiner of `-reducer aggregate`. */
export function aggregateCombine(settings: StreamingSettings, keys: StreamingKeys): Combine {
  return (records: Records, target: RecordTarget) => {
    const groups = new AggregateGroups(settings, (text, aggregator) => {
      const plain = Buffer.from(text);
      const key = keys.plain ? plain : keys.encode(plain, 0, plain.length);
      for (const partial of aggregator.partial()) {
        const value = Buffer.from(partial);
        target.add(key, 0, key.length, value, 0, value.length);
      }
    });
    while (records.next()) {
      const { start, end } = keys.within(records.bytes, records.keyStart, records.keyEnd);
      groups.add(records.bytes, start, end, records.valueStart, records.valueEnd);
    }
    groups.end();
  };
}
