/**
 * A swarm: clients that write, append, overwrite, cut, rename, remove and read files at any node, while nodes die, lose their
 * power or their links, pause, run out of space or decay, and the leader changes. What each file may be is known at every
 * moment; afterwards everything heals, and must be so.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import { isQuorateError } from "../../runtime/errors.ts";
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { ErasurePolicy } from "../../engine/files/namespace/erasure-policy.ts";
import { ERASURE_POLICIES } from "../../engine/files/namespace/erasure-policy.ts";
import type { Candidate } from "./candidate.ts";
import { beginning, described, fits, GONE, told, whole } from "./candidate.ts";
import { FilesFaults, RESERVED_BYTES } from "./faults.ts";
import type { FilesClusterOptions } from "./files-cluster.ts";
import { FilesCluster, ROOT } from "./files-cluster.ts";
import { judgeHealed } from "./healed.ts";
import { writePooled } from "./pooled-writes.ts";
import { streamBytes } from "./stream-bytes.ts";

/** What clients do, each as often as it is here. */
const KINDS = [
  "create",
  "overwrite",
  "append",
  "read",
  "read",
  "read",
  "delete",
  "cut",
  "rename",
  "abort",
] as const;
type Kind = (typeof KINDS)[number];

export interface FilesSwarmOptions {
  readonly steps: number;
  readonly clients: number;
  /** What clients do, each as often as it is here. Default: all of `KINDS`. */
  readonly kinds?: readonly Kind[];
  /** Files are erasure coded, with cells so small that they fill many stripes. Default false. */
  readonly coded?: boolean;
  /** Default: a simulated log. */
  readonly keeper?: NonNullable<FilesClusterOptions["keeper"]>;
  /** A disk decays. Default true. */
  readonly decays?: boolean;
  /** Replicas rest as soon as nobody works on them (`blocks/stored-replicas.ts`). Default false. */
  readonly resting?: boolean;
}

export interface FilesSwarmResult {
  /** Changes that were begun. */
  readonly operations: number;
  /** Of these, those whose outcome is not known. */
  readonly failures: number;
  readonly reads: number;
}

/** For the swarm alone: no directory outside of it can be given this. */
const TINY_CELLS: ErasurePolicy = {
  name: "RS-3-2-4k",
  id: 99,
  dataUnits: 3,
  parityUnits: 2,
  cellBytes: 4096,
};
const CODED = {
  type: "setPolicy",
  path: "/",
  caller: ROOT,
  policy: "erasureCoding",
  value: TINY_CELLS.name,
} as const;

export class FilesSwarm {
  readonly cluster: FilesCluster;
  readonly faults: FilesFaults;
  private readonly random: SeededRandom;
  private readonly files = new Map<string, Candidate[]>();
  private readonly options: FilesSwarmOptions;
  private readonly count = { operations: 0, failures: 0, reads: 0 };
  private broken: Error | undefined;
  private stopping = false;
  private running = 0;
  private lastContent = 0;

  constructor(seed: number, options: FilesSwarmOptions) {
    this.options = options;
    if (!ERASURE_POLICIES.includes(TINY_CELLS)) (ERASURE_POLICIES as ErasurePolicy[]).push(TINY_CELLS);
    this.cluster = new FilesCluster(seed, {
      mayDecay: options.decays !== false,
      ...(options.keeper === undefined ? {} : { keeper: options.keeper }),
      settings: { leaseSoftMs: 3_000, leaseHardMs: 8_000 },
      node: {
        safeModeExtensionMs: 100,
        scrubBandwidth: 1 << 20,
        reservedBytes: RESERVED_BYTES,
        awakeReplicas: options.resting === true ? 1 : 256,
      },
    });
    this.random = this.cluster.world.random.split("swarm");
    this.faults = new FilesFaults(this.cluster, this.random, options.decays !== false);
  }

  /** So far. */
  get counts(): FilesSwarmResult {
    return { ...this.count };
  }

  /** Throws when anything is not as it must be. */
  async run(): Promise<FilesSwarmResult> {
    const { cluster, options } = this;
    await cluster.ready();
    if (options.coded === true) await cluster.of(cluster.files().change(CODED));
    for (let client = 0; client < options.clients; client++) void this.client(`/c${client}`);
    for (let step = 0; step < options.steps && this.broken === undefined; step++) {
      await cluster.run(this.random.integer(50, 4_000));
      this.faults.strike();
    }
    await this.heal();
    return this.counts;
  }

  private async client(directory: string): Promise<void> {
    this.running++;
    try {
      while (!this.stopping) {
        await this.pause(this.random.integer(1, 300));
        await this.operate(`${directory}/f${this.random.integer(0, 2)}`);
      }
    } catch (error) {
      this.broken ??= error as Error;
    }
    this.running--;
  }

  private trace(what: string, outcome?: readonly Candidate[] | "unknown"): void {
    const { trace, scheduler } = this.cluster.world;
    const told = (): string => {
      if (outcome === undefined) return what;
      return `${what}: ${outcome === "unknown" ? outcome : outcome.map(described).join(" | ")}`;
    };
    trace.record(scheduler.nowMs, "client", outcome === undefined ? "asks" : "got", what.length, told);
  }

  private pause(forMs: number): Promise<void> {
    return new Promise((resolve) => void this.cluster.world.scheduler.after(forMs, resolve));
  }

  private async operate(path: string): Promise<void> {
    const { random, cluster } = this;
    const at = random.pick([...cluster.ids]);
    if (!cluster.nodes.has(at)) return;
    const before = this.files.get(path) ?? [GONE];
    const kind = random.pick(this.options.kinds ?? KINDS);
    if (kind === "read") return this.check(path, at);
    this.count.operations++;
    // Whoever does not answer any more may have done anything up to its end.
    const possible = new Set<Candidate>(before);
    this.files.set(path, [...possible]);
    const may = (candidate: Candidate): void => {
      possible.add(candidate);
      this.files.set(path, [...possible]);
    };
    const what = `${kind} ${path} at ${at}`;
    this.trace(what);
    const outcome = await this.answered(at, () => this.carryOut(kind, path, at, before, may));
    this.trace(what, outcome);
    if (outcome === "unknown") {
      this.count.failures++;
      return;
    }
    this.files.set(path, outcome);
  }

  /** The outcome, or that it is not known: an error, or the end of the node. */
  private async answered(at: NodeId, run: () => Promise<Candidate[]>): Promise<Candidate[] | "unknown"> {
    const life = this.cluster.nodes.get(at);
    const ended = async (): Promise<"unknown"> => {
      while (this.cluster.nodes.get(at) === life) await this.pause(200);
      return "unknown";
    };
    const running = run().catch((error: unknown): "unknown" => {
      if (!isQuorateError(error) || error.code === "INVARIANT") throw error;
      return "unknown";
    });
    return Promise.race([running, ended()]);
  }

  private async carryOut(
    kind: Exclude<Kind, "read">,
    path: string,
    at: NodeId,
    before: readonly Candidate[],
    may: (candidate: Candidate) => void,
  ): Promise<Candidate[]> {
    const { random, cluster } = this;
    const files = cluster.files(at);
    const [only] = before;
    const known = before.length === 1 && only?.atLeast === undefined ? only : undefined;
    const content = this.content();
    switch (kind) {
      case "create":
      case "overwrite":
      case "abort": {
        const overwrite = kind !== "create";
        const writer = await files.create(path, ROOT, { overwrite });
        // A draft is not seen before it is closed or synced; a new file is, from its first block on.
        const isNew = known?.content === undefined;
        if (isNew) may(beginning(content, 0));
        let synced = 0;
        for (let from = 0; from < content.length;) {
          const size = random.integer(1, 60_000);
          await writePooled(writer, content.subarray(from, from + size));
          from = Math.min(content.length, from + size);
          if (this.options.coded !== true && random.chance(0.1)) {
            may(beginning(content, synced));
            await writer.sync();
            synced = from;
          }
        }
        if (kind === "abort") {
          if (synced > 0 || isNew) may(GONE);
          await writer.abort();
          // Never rejects, and may not have come through.
          return synced > 0 || isNew ? [...before, GONE, beginning(content, 0)] : [...before];
        }
        may(whole(content));
        await writer.close();
        return [whole(content)];
      }
      case "append": {
        const writer = await files.append(path, ROOT);
        const base = known?.content;
        if (base === undefined) {
          // Nothing is known of what is there: nothing is to be learnt from an append to it.
          await writer.abort();
          return [...before];
        }
        const longer = concatBytes([base, content]);
        may(beginning(longer, base.length));
        await writePooled(writer, content);
        await writer.close();
        return [whole(longer)];
      }
      case "delete":
        may(GONE);
        await files.change({ type: "delete", caller: ROOT, path, recursive: false });
        return [GONE];
      case "cut": {
        const base = known?.content;
        if (base === undefined || base.length === 0) return [...before];
        const length = random.integer(0, base.length - 1);
        may(whole(base.subarray(0, length)));
        await files.change({ type: "truncate", caller: ROOT, path, length });
        return [whole(base.subarray(0, length))];
      }
      case "rename": {
        const to = `${path}.away`;
        may(GONE);
        await files.change({ type: "renameTo", caller: ROOT, from: path, to, overwrite: true });
        await files.change({ type: "delete", caller: ROOT, path: to, recursive: false });
        return [GONE];
      }
    }
  }

  private content(): Bytes {
    const { random } = this;
    const length = random.pick([0, 100, 900, 5_000, 65_536, random.integer(0, 200_000)]);
    return streamBytes(++this.lastContent, 0, length);
  }

  /** What is read while anything may be wrong: it may fail, but not be something else. */
  private async check(path: string, at: NodeId): Promise<void> {
    const candidates = this.files.get(path) ?? [GONE];
    const read = await this.answered(at, async () => {
      const content = await this.readAll(path, at);
      return [content === undefined ? GONE : whole(content)];
    });
    if (read === "unknown") return;
    this.count.reads++;
    const [found] = read;
    this.trace(`read ${path} at ${at}`, read);
    if (found === undefined || candidates.some((candidate) => fits(found.content, candidate))) return;
    throw new Error(`${path} read at ${at}: ${told(found, candidates)}`);
  }

  private async readAll(path: string, at: NodeId): Promise<Bytes | undefined> {
    try {
      return await this.cluster.readAll(path, at);
    } catch (error) {
      if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return undefined;
      throw error;
    }
  }

  private async heal(): Promise<void> {
    const { cluster } = this;
    this.stopping = true;
    this.faults.relieve();
    for (const id of cluster.ids) if (!cluster.world.machine(id).running) cluster.start(id);
    await cluster.until(() => this.running === 0, "the clients end", 150_000);
    if (this.broken !== undefined) throw this.broken;
    await cluster.until(() => cluster.nodes.size === cluster.ids.length, "all nodes run");
    await judgeHealed(cluster, async () => {
      for (const path of this.files.keys()) {
        for (const at of cluster.ids) await cluster.of(this.check(path, at), `${path} is read`);
      }
    });
  }
}
