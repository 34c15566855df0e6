/**
 * The map outputs of one partition: fetched as they become known, some at a time, tried again for a while, and given back to
 * who runs the job when they cannot be had, so that their map runs again.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Arrival } from "./arrival.ts";
import { ArrivalRoom } from "./arrival.ts";
import { TaskFault } from "./failure.ts";
import type { Fetcher } from "./fetch.ts";
import { readMapOutputIndex } from "./map-output.ts";
import type { NamedRun } from "./merge-runs.ts";
import type { MapOutputSource, ReduceOrder, Report } from "./orders.ts";
import type { DamagedRun } from "./run-format.ts";
import type { RunPlace } from "./run-reader.ts";
import { verifyRun } from "./run-reader.ts";
import type { TaskState } from "./task-state.ts";

const FETCHES_AT_A_TIME = 5;
/** Tries of one output before its map is given back. */
const TRIES = 5;
const PAUSE_FIRST_MS = 200;
const PAUSE_MAX_MS = 5000;
/** While others are waited for, the attempt says so often that it lives. */
const SIGN_OF_LIFE_MS = 1000;
interface Wanted {
  /** The newest place that is known. */
  source: MapOutputSource | undefined;
  isFetching: boolean;
  run: NamedRun | undefined;
}

export class Shuffle {
  private readonly order: ReduceOrder;
  private readonly task: TaskState;
  private readonly report: (report: Report) => void;
  private readonly wanted: Wanted[];
  private readonly queue: number[] = [];
  private fetcher: Fetcher | undefined;
  private readonly room: ArrivalRoom;
  private fetching = 0;
  private missing: number;
  private settled: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
  private failure: { readonly error: unknown } | undefined;

  /** `memoryBytes`: for map outputs; what is more lies on disk. */
  constructor(order: ReduceOrder, memoryBytes: number, task: TaskState, report: (report: Report) => void) {
    this.order = order;
    this.task = task;
    this.report = report;
    this.room = new ArrivalRoom(order.directory, memoryBytes);
    this.missing = order.maps;
    this.wanted = Array.from({ length: order.maps }, () => ({
      source: undefined,
      isFetching: false,
      run: undefined,
    }));
    this.add(order.sources);
  }

  /** Outputs that are there; for maps that were given back, new ones. */
  add(sources: readonly MapOutputSource[]): void {
    for (const source of sources) {
      const wanted = this.wanted[source.map];
      // One output of a map is as good as another: what is here stays.
      if (wanted === undefined || wanted.run !== undefined) continue;
      const isNew = wanted.source === undefined;
      wanted.source = source;
      if (isNew && !wanted.isFetching) this.queue.push(source.map);
    }
    this.pump();
  }

  /** The runs of all maps, in their order, verified as far as they came from elsewhere. */
  async all(): Promise<readonly NamedRun[]> {
    const sign = setInterval(() => this.task.tick(), SIGN_OF_LIFE_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        this.settled = { resolve, reject };
        this.settle();
      });
      return this.wanted.map(({ run }) => run!);
    } finally {
      clearInterval(sign);
      this.fetcher?.close();
      this.room.close();
    }
  }

  /** Gives back the map whose output turned out to be damaged while it was merged. */
  giveBack({ run: name, message }: DamagedRun): void {
    const map = this.wanted.findIndex(({ run }) => run?.name === name);
    const source = this.wanted[map]?.source;
    if (source !== undefined)
      this.report({ type: "fetchFailed", map, attempt: source.attempt, reason: message });
  }

  private settle(): void {
    if (this.failure !== undefined) this.settled?.reject(this.failure.error);
    else if (this.missing === 0) this.settled?.resolve();
  }

  private pump(): void {
    while (this.fetching < FETCHES_AT_A_TIME && this.failure === undefined) {
      const map = this.queue.shift();
      if (map === undefined) return;
      const wanted = this.wanted[map]!;
      this.fetching++;
      wanted.isFetching = true;
      void this.fetch(map, wanted)
        .catch((error: unknown) => void (this.failure ??= { error }))
        .finally(() => {
          this.fetching--;
          wanted.isFetching = false;
          if (wanted.run === undefined && wanted.source !== undefined) this.queue.push(map);
          this.pump();
          this.settle();
        });
    }
  }

  /** Rejects only with what is this machine's fault. */
  private async fetch(map: number, wanted: Wanted): Promise<void> {
    const name = `the output of map ${map}`;
    for (let tries = 1; wanted.source !== undefined; tries++) {
      const { source } = wanted;
      try {
        const place = "file" in source ? this.openFile(source.file) : await this.fetchUrl(source, name);
        wanted.run = { name, place };
        this.missing--;
        this.task.counters.system.REDUCE_SHUFFLE_BYTES += place.extent.length;
        this.task.moved("shuffle", (0.33 * (this.order.maps - this.missing)) / this.order.maps);
        return;
      } catch (error) {
        if (error instanceof TaskFault) throw error;
        const isGone = error instanceof Error && (error.name === "OutputGone" || "file" in source);
        // Meanwhile there may be another one: that is tried afresh.
        if (wanted.source !== source) tries = 0;
        else if (isGone || tries >= TRIES) {
          wanted.source = undefined;
          const reason = error instanceof Error ? error.message : String(error);
          this.report({ type: "fetchFailed", map, attempt: source.attempt, reason });
        } else await wait(pauseMs(tries));
      }
    }
  }

  private openFile(path: string): RunPlace {
    const extent = readMapOutputIndex(path)[this.order.partition];
    if (extent === undefined) throw new Error(`${path} has no partition ${this.order.partition}`);
    return { type: "file", path, extent };
  }

  private async fetchUrl(
    { url, authorization }: Extract<MapOutputSource, { readonly url: string }>,
    name: string,
  ): Promise<RunPlace> {
    const { room } = this;
    let arrival: Arrival | undefined;
    try {
      this.fetcher ??= new (await import("./fetch.ts")).Fetcher(FETCHES_AT_A_TIME);
      await this.fetcher.fetch(url, authorization, {
        begin: (length) => void (arrival = room.take(length)),
        take: (bytes) => arrival?.take(bytes),
      });
      if (arrival === undefined) throw new Error("nothing came");
      return verifyRun(arrival.place, name);
    } catch (error) {
      if (arrival !== undefined) room.giveBack(arrival);
      throw error;
    }
  }
}

/** 200 ms, 400, …, each varied by half, so that those who wait for the same node do not all come back at once. */
function pauseMs(tries: number): number {
  return Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (tries - 1)) * (0.5 + Math.random());
}
