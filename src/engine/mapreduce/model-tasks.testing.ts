/**
 * Processes of attempts as a model: they read records of a known input, take their time, fail, hang and are fetched from as
 * real ones do, and write what a word count writes. They are children of a node's process: a pause of the node does not stop
 * them, its death ends them at once or a little later.
 */
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import type { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { AttemptId, Split } from "../../mapreduce/job-spec.ts";
import { attemptNamed } from "../../mapreduce/job-spec.ts";
import type { MapOrder, MapOutputSource, ReduceOrder, Report } from "../../mapreduce/task/orders.ts";
import type { RunningTask, TaskEnd, TaskStarter } from "./doors.ts";
import type { ModelArea } from "./model-area.testing.ts";
import type { ModelFiles } from "./model-files.testing.ts";

/** Records by path; a split's `start` and `length` count records. */
export type Input = ReadonlyMap<string, readonly string[]>;

export interface TaskFaults {
  /** Probabilities, of each attempt. */
  readonly throws: number;
  readonly hangs: number;
  readonly slow: number;
  /** Of each fetch. */
  fetchFails: number;
  /** Mean time of a step. */
  readonly stepMs: number;
}

export interface TaskWorld {
  readonly world: SimulatedWorld;
  readonly input: Input;
  readonly faults: TaskFaults;
  readonly files: ModelFiles;
  /** What the HTTP server of a node gives out; undefined: it does not answer, or refuses. */
  fetch(from: NodeId, url: string, authorization: string, partition: number): readonly string[] | undefined;
}

const STEPS = 4;
const FETCH_ATTEMPTS = 2;
const REPORT_MS = 1_000;

/** The processes of one life of one node. */
export class ModelTasks implements TaskStarter {
  private readonly node: NodeId;
  private readonly around: TaskWorld;
  private readonly area: ModelArea;
  private readonly deliver: (run: () => void) => void;
  private readonly random: SeededRandom;
  private readonly processes = new Set<ModelProcess>();

  constructor(
    node: NodeId,
    around: TaskWorld,
    area: ModelArea,
    deliver: (run: () => void) => void,
    name: string,
  ) {
    this.node = node;
    this.around = around;
    this.area = area;
    this.deliver = deliver;
    this.random = around.world.random.split(`tasks/${name}`);
  }

  start(
    order: MapOrder | ReduceOrder,
    on: { readonly report: (report: Report) => void; readonly end: (end: TaskEnd) => void },
  ): RunningTask {
    const process = new ModelProcess(this.node, order, this.around, this.area, this.random, {
      report: (report) => this.deliver(() => on.report(report)),
      end: (end) => {
        this.processes.delete(process);
        this.deliver(() => on.end(end));
      },
    });
    this.processes.add(process);
    return process;
  }

  /** The node's process is dead. */
  orphan(): void {
    for (const process of this.processes) {
      const lateMs = this.random.chance(0.5) ? 0 : this.random.between(0, 3_000);
      this.around.world.scheduler.after(lateMs, () => process.vanish());
    }
  }

  /** The machine is off. */
  vanish(): void {
    for (const process of this.processes) process.vanish();
  }
}

class ModelProcess implements RunningTask {
  private readonly node: NodeId;
  private readonly order: MapOrder | ReduceOrder;
  private readonly around: TaskWorld;
  private readonly area: ModelArea;
  private readonly random: SeededRandom;
  private readonly on: { readonly report: (report: Report) => void; readonly end: (end: TaskEnd) => void };
  private readonly sources = new Map<number, MapOutputSource>();
  private readonly fetched = new Map<number, readonly string[]>();
  private readonly fetching = new Set<number>();
  private over = false;
  private ready = false;
  private readonly hangs: boolean;
  private readonly slowness: number;

  constructor(
    node: NodeId,
    order: MapOrder | ReduceOrder,
    around: TaskWorld,
    area: ModelArea,
    random: SeededRandom,
    on: ModelProcess["on"],
  ) {
    this.node = node;
    this.order = order;
    this.around = around;
    this.area = area;
    this.random = random;
    this.on = on;
    const { faults } = around;
    this.hangs = random.chance(faults.hangs);
    this.slowness = random.chance(faults.slow) ? 40 : 1;
    if (order.type === "reduce") for (const source of order.sources) this.sources.set(source.map, source);
    this.after(20, () => {
      this.ready = true;
      if (order.type === "map") this.step(order, 0);
      else this.fetchMore();
    });
    if (!this.hangs) this.tell();
  }

  send(sources: readonly MapOutputSource[]): void {
    this.after(1, () => {
      for (const source of sources) if (!this.fetched.has(source.map)) this.sources.set(source.map, source);
      if (this.ready) this.fetchMore();
    });
  }

  kill(reason: string): void {
    if (this.over) return;
    this.over = true;
    this.around.world.scheduler.after(this.random.exponential(2), () =>
      this.on.end({ type: "killed", reason }),
    );
  }

  vanish(): void {
    this.over = true;
  }

  private after(meanMs: number, run: () => void): void {
    this.around.world.scheduler.after(this.random.exponential(meanMs), () => {
      if (!this.over) run();
    });
  }

  private tell(): void {
    this.on.report({
      type: "progress",
      fraction: this.order.type === "map" ? 0.5 : this.fetched.size / Math.max(1, this.order.maps) / 3,
      phase: this.order.type === "map" ? "map" : "shuffle",
      status: undefined,
      counters: {},
    });
    this.around.world.scheduler.after(REPORT_MS, () => {
      if (!this.over) this.tell();
    });
  }

  /** A step of the work; `then` unless the program throws or hangs. */
  private work(then: () => void): void {
    if (this.hangs && this.random.chance(0.3)) return;
    this.after(this.around.faults.stepMs * this.slowness, () => {
      if (this.random.chance(this.around.faults.throws / STEPS)) return this.fail("the program threw");
      then();
    });
  }

  private fail(message: string): void {
    if (this.over) return;
    this.over = true;
    this.on.end({ type: "failed", message, stack: undefined, record: undefined, retryable: true });
  }

  private step(order: MapOrder, done: number): void {
    if (done < STEPS) return this.work(() => this.step(order, done + 1));
    const records = recordsOf(this.around.input, order.split);
    if (order.partitions === 0) return this.writeFiles(records, records.length, undefined);
    const partitions: string[][] = Array.from({ length: order.partitions }, () => []);
    for (const record of records) {
      for (const word of record.split(" ")) partitions[hashOf(word) % order.partitions]!.push(word);
    }
    if (!this.area.keep(order.attempt, order.directory, partitions))
      return this.fail("no space left on device");
    this.finish([], records.length, {
      partitions: partitions.map((each) => each.join().length),
      records: partitions.map((each) => each.length),
    });
  }

  private fetchMore(): void {
    if (this.order.type !== "reduce") return;
    for (const source of this.sources.values()) {
      if (this.fetched.has(source.map) || this.fetching.has(source.map)) continue;
      this.fetching.add(source.map);
      this.fetch(source, 1);
    }
    if (this.fetched.size === this.order.maps && this.ready) {
      this.ready = false;
      this.reduce(0);
    }
  }

  private fetch(source: MapOutputSource, attempt: number): void {
    if (this.order.type !== "reduce" || !("url" in source)) return;
    const { partition } = this.order;
    this.after(5 * this.slowness, () => {
      // Another attempt's output may have taken its place meanwhile.
      const current = this.sources.get(source.map)!;
      if (current !== source) return this.fetch(current, 1);
      const broke = this.random.chance(this.around.faults.fetchFails);
      const { url, authorization } = source as { readonly url: string; readonly authorization: string };
      const words = broke ? undefined : this.around.fetch(this.node, url, authorization, partition);
      if (words !== undefined) {
        this.fetching.delete(source.map);
        this.fetched.set(source.map, words);
        return this.fetchMore();
      }
      if (attempt < FETCH_ATTEMPTS) return this.after(300, () => this.fetch(source, attempt + 1));
      this.fetching.delete(source.map);
      this.sources.delete(source.map);
      this.on.report({ type: "fetchFailed", map: source.map, attempt: source.attempt, reason: "no answer" });
    });
  }

  private reduce(done: number): void {
    if (done < STEPS) return this.work(() => this.reduce(done + 1));
    const counts = new Map<string, number>();
    for (const words of this.fetched.values()) {
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const lines = [...counts].map(([word, count]) => `${word}\t${count}`).toSorted();
    let values = 0;
    for (const count of counts.values()) values += count;
    this.writeFiles(lines, undefined, values);
  }

  private writeFiles(
    lines: readonly string[],
    mapRecords: number | undefined,
    values: number | undefined,
  ): void {
    const { order, around } = this;
    const name = `part-${String(order.attempt.task).padStart(5, "0")}`;
    const content = lines.map((line) => `${line}\n`).join("");
    const write = (part: string, then: () => void): void => {
      around.files.write(this.node, order.spec.user, `${order.output}/${name}`, part, (error) => {
        if (this.over) return;
        if (error !== undefined) return this.fail(error.message);
        then();
      });
    };
    // Half of it is there for a while: whoever takes it for the whole loses records.
    write(content.slice(0, content.length / 2), () =>
      this.work(() =>
        write(content, () =>
          this.finish(
            [{ name, bytes: content.length, records: lines.length }],
            mapRecords,
            undefined,
            values,
          ),
        ),
      ),
    );
  }

  private finish(
    files: readonly { readonly name: string; readonly bytes: number; readonly records: number }[],
    mapRecords: number | undefined,
    mapOutput: { readonly partitions: readonly number[]; readonly records: readonly number[] } | undefined,
    values?: number,
  ): void {
    this.after(this.around.faults.stepMs, () => {
      this.over = true;
      const counters = {
        user: {
          ...(mapRecords === undefined ? {} : { records: mapRecords }),
          ...(values === undefined ? {} : { values }),
        },
      };
      this.on.end({ type: "done", counters, mapOutput, files, skipped: [] });
    });
  }
}

export function recordsOf(input: Input, { path, start, length }: Split): readonly string[] {
  return input.get(path)!.slice(start, start + length);
}

export function hashOf(word: string): number {
  let hash = 7;
  for (let at = 0; at < word.length; at++) hash = (Math.imul(hash, 31) + word.charCodeAt(at)) >>> 0;
  return hash;
}

/** Of the address of a map output. */
export function attemptOf(url: string): AttemptId {
  return attemptNamed(/\/outputs\/(\w+)\?partition=\d+$/.exec(url)![1]!)!;
}
