/** An attempt at a map: its split read, its records given to the program, what it emits sorted and left for the reduces. */
import { connectFiles } from "../../client/files/connect.ts";
import { isGzip } from "../input/format.ts";
import type { SplitPiece } from "../job-spec.ts";
import { Collector } from "./collector.ts";
import { StagedEmission } from "./emission.ts";
import type { RecordAtHand } from "./failure.ts";
import { BadRecord, TaskFault, recordText } from "./failure.ts";
import { memoryPlan } from "./memory-plan.ts";
import type { MapOrder, Report } from "./orders.ts";
import type { MapStage, TaskProgram } from "./program.ts";
import { Skipping } from "./skipping.ts";
import type { TakeRecord } from "./split-reader.ts";
import { SplitPlace, readSplit } from "./split-reader.ts";
import { TaskOutputs } from "./task-outputs.ts";
import type { TaskState } from "./task-state.ts";

type Done = Extract<Report, { readonly type: "done" }>;

export async function runMap(order: MapOrder, program: TaskProgram, task: TaskState): Promise<Done> {
  const { spec, split } = order;
  const { counters } = task;
  const { system } = counters;
  const files = connectFiles(order.fileSystem, { user: spec.user });
  const place = new SplitPlace(split.path);
  task.place = place;
  const collector = order.partitions === 0 ? undefined : collectorOf(order, program, task);
  const outputs = new TaskOutputs(files.driver, order, counters);
  const isCareful = spec.settings.skipRecords > 0;
  const staged =
    collector !== undefined && isCareful
      ? new StagedEmission(collector, order.directory, program.fold)
      : undefined;
  const skipping = Skipping.isNeeded(order) ? new Skipping(order, task, outputs, staged) : undefined;
  const stage = await program.openMap({
    order,
    mapper: split.mapper,
    collector: staged ?? collector,
    outputs,
    place,
    task,
  });
  const giving = new Giving(stage, task, skipping);
  const pieces: readonly SplitPiece[] = [split, ...(split.also ?? [])];
  const total = bytesOf(pieces);
  try {
    for (const piece of pieces) {
      place.path = piece.path;
      await readSplit({
        files,
        split: piece,
        framing: program.framing(split.mapper),
        place,
        take: giving.take,
        pause(bytes) {
          system.MAP_INPUT_BYTES += bytes;
          task.moved("map", (0.9 * system.MAP_INPUT_BYTES) / total);
          return outputs.settle();
        },
      });
    }
  } catch (error) {
    throw giving.blame(error);
  }
  await stage.end();
  skipping?.good();
  task.moved("sort", 0.9);
  const mapOutput = collector?.finish();
  task.moved("write", 0.98);
  const written = await outputs.close();
  files.close();
  const skipped = skipping?.skipped ?? [];
  system.MAP_SKIPPED_RECORDS = skipped.length;
  return { type: "done", counters: counters.snapshot(), mapOutput, files: written, skipped };
}

function collectorOf(order: MapOrder, program: TaskProgram, task: TaskState): Collector {
  const { settings } = order.spec;
  const plan = memoryPlan(settings.memory);
  return new Collector({
    directory: order.directory,
    partitions: order.partitions,
    order: program.keyOrder,
    combine: program.combine,
    fold: program.fold,
    compress: settings.compress,
    bufferBytes: plan.sortBytes,
    mergeBytes: plan.mergeBytes,
    counters: task.counters,
    tick: () => task.tick(),
  });
}

/** Of a compressed file nobody knows how much is in it. */
function bytesOf(pieces: readonly SplitPiece[]): number {
  const known = pieces.every(({ path }) => !isGzip(path));
  return known
    ? Math.max(
        1,
        pieces.reduce((sum, { length }) => sum + length, 0),
      )
    : Infinity;
}

/** Gives records to the program, and knows which one it is at. */
class Giving {
  /** Called with each record. */
  readonly take: TakeRecord;
  private readonly stage: MapStage;
  private readonly task: TaskState;
  private readonly skipping: Skipping | undefined;
  private isInProgram = false;
  private bytes: Buffer = Buffer.alloc(0);
  private start = 0;
  private end = 0;
  private readonly left = (): void => void (this.isInProgram = false);

  constructor(stage: MapStage, task: TaskState, skipping: Skipping | undefined) {
    this.stage = stage;
    this.task = task;
    this.skipping = skipping;
    this.take =
      skipping === undefined
        ? (bytes, start, end) => this.give(bytes, start, end)
        : (bytes, start, end) => this.giveCarefully(skipping, bytes, start, end);
  }

  /** Why reading ended: the program's error, if it was at work, with the record that it was given. */
  blame(error: unknown): unknown {
    if (!this.isInProgram || error instanceof TaskFault || error instanceof BadRecord) return error;
    return new BadRecord(this.atHand(this.index, this.bytes, this.start, this.end), error);
  }

  private get index(): number {
    return this.task.counters.system.MAP_INPUT_RECORDS - 1;
  }

  private atHand(index: number, bytes: Buffer, start: number, end: number): RecordAtHand {
    const { path, position } = this.task;
    return { index, text: recordText(bytes, start, end), place: { path, position } };
  }

  private give(bytes: Buffer, start: number, end: number): void | Promise<void> {
    this.task.counters.system.MAP_INPUT_RECORDS++;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.isInProgram = true;
    const waits = this.stage.record(bytes, start, end);
    if (waits !== undefined) return waits.then(this.left);
    this.isInProgram = false;
    return undefined;
  }

  private giveCarefully(skipping: Skipping, bytes: Buffer, start: number, end: number): void | Promise<void> {
    const index = this.task.counters.system.MAP_INPUT_RECORDS++;
    if (skipping.passesOver(index, () => this.atHand(index, bytes, start, end))) return undefined;
    const failed = (error: unknown): void => skipping.bad(this.atHand(index, bytes, start, end), error);
    try {
      const waits = this.stage.record(bytes, start, end);
      if (waits !== undefined) return waits.then(() => undefined, failed).then(() => skipping.good());
    } catch (error) {
      failed(error);
    }
    skipping.good();
    return undefined;
  }
}
