/** The outputs of an attempt: the first, which is there even when nothing was emitted, and those with names, when something was. */
import type { FilesDriver } from "../../client/files/driver.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { OutputFormat } from "../output/format.ts";
import type { TaskCounters } from "./counters.ts";
import type { OutputFile, TaskOrder } from "./orders.ts";
import { OutputWriter } from "./output-files.ts";

export class TaskOutputs {
  private readonly driver: Pick<FilesDriver, "write">;
  private readonly order: TaskOrder;
  private readonly counters: TaskCounters;
  private readonly writers = new Map<string, OutputWriter>();

  constructor(driver: Pick<FilesDriver, "write">, order: TaskOrder, counters: TaskCounters) {
    this.driver = driver;
    this.order = order;
    this.counters = counters;
  }

  /** The writer of an output; "part" is the first. */
  writer(name: string, compress: OutputFormat<[]>["compress"]): OutputWriter {
    const open = this.writers.get(name);
    if (open !== undefined) return open;
    const { order } = this;
    const isAside = order.type === "map" && order.partitions > 0;
    const number = String(order.attempt.task).padStart(5, "0");
    const file = `${name}-${isAside ? "m-" : ""}${number}${compress === "gzip" ? ".gz" : ""}`;
    const writer = new OutputWriter({
      driver: this.driver,
      path: order.type === "sample" ? file : `${order.output}/${file}`,
      name: file,
      compress,
      replication: order.spec.settings.outputReplication,
      directory: order.directory,
      isCareful: order.spec.settings.skipRecords > 0,
    });
    this.writers.set(name, writer);
    return writer;
  }

  /** A promise when the file system is behind, to be waited for before more is emitted. */
  settle(): void | Promise<void> {
    for (const writer of this.writers.values()) if (writer.isBehind) return this.drain();
  }

  /** What was emitted since the last time stays. */
  keep(): void {
    for (const writer of this.writers.values()) writer.keep();
  }

  /** It does not. */
  drop(): void {
    for (const writer of this.writers.values()) writer.drop();
  }

  /** All files are there, whole. */
  async close(): Promise<readonly OutputFile[]> {
    const files: OutputFile[] = [];
    for (const writer of this.writers.values()) files.push(await writer.close());
    for (const { bytes, records } of files) {
      this.counters.system.OUTPUT_BYTES += bytes;
      this.counters.system.OUTPUT_RECORDS += records;
    }
    return files;
  }

  private async drain(): Promise<void> {
    for (const writer of this.writers.values()) await writer.drain();
  }
}

/** A program named an output that its job does not have. */
export function noSuchOutput(name: string): QuorateError {
  return new QuorateError("ARGUMENT_INVALID", `the job has no output "${name}"`);
}
