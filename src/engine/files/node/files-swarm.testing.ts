/**
 * A swarm: clients that write, append, overwrite, cut, rename, remove and read files at any node, while nodes die, lose their
 * power or their links, pause, run out of space or decay, and the leader changes. What each file may be is known at every
 * moment; afterwards everything heals, and must be so.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import type { SeededRandom } from "../../../runtime/simulated/random.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { ErasurePolicy } from "../namespace/erasure-policy.ts";
import { ERASURE_POLICIES, shardUnits } from "../namespace/erasure-policy.ts";
import type { FilesClusterOptions } from "./files-cluster.testing.ts";
import { FilesCluster, ROOT } from "./files-cluster.testing.ts";

/** What a file may be. Undefined: it is not there. `open`: a beginning of it, at least so long, may be all that there is. */
interface Candidate {
  readonly content: Bytes | undefined;
  readonly atLeast: number | undefined;
}

/** What blocks leave to the log, which has the same disk. */
const RESERVED_BYTES = 1_000_000;
const GONE: Candidate = { content: undefined, atLeast: undefined };
const whole = (content: Bytes): Candidate => ({ content, atLeast: undefined });
const beginning = (content: Bytes, atLeast: number): Candidate => ({ content, atLeast });

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

export interface SwarmOptions {
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

export interface SwarmResult {
  readonly operations: number;
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

export class Swarm {
  readonly cluster: FilesCluster;
  private readonly random: SeededRandom;
  private readonly files = new Map<string, Candidate[]>();
  private readonly options: SwarmOptions;
  private readonly seed: number;
  private operations = 0;
  private failures = 0;
  private reads = 0;
  private broken: Error | undefined;
  private stopping = false;
  private running = 0;
  private lastContent = 0;

  constructor(seed: number, options: SwarmOptions) {
    this.seed = seed;
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
  }

  /** Throws when anything is not as it must be; the message names the seed. */
  async run(): Promise<SwarmResult> {
    const { cluster, options } = this;
    await cluster.ready();
    if (options.coded === true) await cluster.of(cluster.files().change(CODED));
    for (let client = 0; client < options.clients; client++) void this.client(`/c${client}`);
    for (let step = 0; step < options.steps && this.broken === undefined; step++) {
      await cluster.run(this.random.integer(50, 4_000));
      this.fault();
    }
    await this.heal();
    const { operations, failures, reads } = this;
    return { operations, failures, reads };
  }

  private fault(): void {
    const { cluster, random } = this;
    const { network } = cluster.world;
    const victim = random.pick([...cluster.ids]);
    const away = cluster.ids.filter((id) => !cluster.world.machine(id).running);
    switch (random.integer(0, 11)) {
      case 0:
      case 1:
      case 2:
        for (const id of away) cluster.start(id);
        network.heal();
        network.options.loss = 0;
        for (const id of cluster.ids) {
          cluster.world.machine(id).resume();
          cluster.world.machine(id).disk.options.stall = 0;
          cluster.world.machine(id).disk.options.capacityBytes = Infinity;
        }
        return;
      case 3:
      case 4:
        if (away.length > 0) return;
        if (random.chance(0.5)) cluster.kill(victim);
        else cluster.losePower(victim);
        return;
      case 5:
        return network.partition([victim], random.pick(["drop", "hold"] as const));
      case 6:
        network.options.loss = 0.002;
        return;
      case 7:
        if (away.length === 0) cluster.world.machine(victim).pause();
        return;
      case 8:
        cluster.world.machine(victim).disk.options.stall = 0.02;
        return;
      case 9:
        this.fillUp(victim);
        return;
      case 10:
        return this.decay("n1");
      default:
        return cluster.log.lead(victim);
    }
  }

  /** Somebody else takes nearly all that is left. */
  private fillUp(id: NodeId): void {
    const { disk } = this.cluster.world.machine(id);
    disk.options.capacityBytes = disk.usedBytes() + RESERVED_BYTES + 100_000;
  }

  /** Only one disk decays, and only while every block of which it holds a replica has a good one elsewhere. */
  private decay(id: NodeId): void {
    const { cluster } = this;
    const store = cluster.nodes.get(id)?.store;
    if (store === undefined || this.options.decays === false) return;
    const isSafe = [...store.list()].every(
      (replica) => replica.state === "finished" && this.isElsewhere(replica.id, id),
    );
    if (isSafe) cluster.world.machine(id).disk.decay("rot");
  }

  /** The block can be read without this node, whatever else of it was lost before. */
  private isElsewhere(replica: number, id: NodeId): boolean {
    const { cluster } = this;
    const block = cluster.log.machine("n2").block(replica);
    if (block?.coding === undefined) return cluster.holders(replica).length > 1;
    // How long it is, and so how many shards it needs, is not known before it is closed.
    if (block.open) return false;
    const { coding, id: group, length } = block;
    const others = shardUnits(coding, length).filter((unit) => {
      return cluster.holders(group + unit).some((holder) => holder !== id);
    });
    return others.length >= shardUnits(coding, length).filter((unit) => unit < coding.dataUnits).length;
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
    this.operations++;
    // Whoever does not answer any more may have done anything up to its end.
    const possible = new Set<Candidate>(before);
    this.files.set(path, [...possible]);
    const may = (candidate: Candidate): void => {
      possible.add(candidate);
      this.files.set(path, [...possible]);
    };
    const outcome = await this.answered(at, () => this.carryOut(kind, path, at, before, may));
    if (outcome === "unknown") {
      this.failures++;
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
          await writer.write(content.subarray(from, from + size));
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
        await writer.write(content);
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
    this.reads++;
    const [found] = read;
    if (found === undefined || candidates.some((candidate) => fits(found.content, candidate))) return;
    throw new Error(
      `seed ${this.seed}: ${path} read at ${at}: ${described(found)} is none of ${candidates.map(described).join(" | ")}`,
    );
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
    const { cluster, seed } = this;
    const { network } = cluster.world;
    this.stopping = true;
    network.heal();
    network.options.loss = 0;
    for (const id of cluster.ids) {
      const machine = cluster.world.machine(id);
      machine.resume();
      Object.assign(machine.disk.options, { stall: 0, capacityBytes: Infinity });
      if (!machine.running) cluster.start(id);
    }
    await cluster.until(() => this.running === 0, `seed ${seed}: the clients end`, 150_000);
    if (this.broken !== undefined) throw this.broken;
    await cluster.until(() => cluster.nodes.size === cluster.ids.length, `seed ${seed}: all nodes run`);
    const machine = cluster.log.machine("n2");
    // One that was just started shows a past in which perhaps nothing was open.
    await cluster.until(
      () => cluster.log.settled && machine.statistics().openFiles === 0,
      `seed ${seed}: all files are closed`,
      150_000,
    );
    const isGivenUp = (): boolean => cluster.log.settled && machine.statistics().reclaiming === 0;
    await cluster.until(isGivenUp, `seed ${seed}: what was deleted is given up`);
    const report = cluster.files("n2").settledReplication("/", ROOT);
    await cluster
      .of(report, `seed ${seed}: all blocks are as they should be`, 200_000)
      .catch(async (error: unknown) => {
        throw new Error(`${(error as Error).message}\n${await this.illnesses()}`);
      });
    await cluster.until(() => cluster.log.settled, `seed ${seed}: the replicas of the namespace agree`);
    for (const path of this.files.keys()) {
      for (const at of cluster.ids) await cluster.of(this.check(path, at), `seed ${seed}: ${path} is read`);
    }
    const strays = (): string[] =>
      cluster.ids.flatMap((id) =>
        [...cluster.node(id).store.list()].flatMap((each) =>
          machine.block(each.id) === undefined ? [`${each.id} at ${id}`] : [],
        ),
      );
    await cluster
      .until(() => strays().length === 0, `seed ${seed}: what no file names is gone`, 150_000)
      .catch((error: unknown) => {
        throw new Error(`${(error as Error).message}: ${strays().join(", ")}`);
      });
    const lacking = (): string[] =>
      [...machine.blocks()].flatMap(({ id, length, replication }) => {
        const { length: held } = cluster.holders(id);
        return length > 0 && held < replication ? [`block ${id} is on ${held} nodes only`] : [];
      });
    // What has decayed was perhaps found by the reading just now.
    await cluster
      .until(() => lacking().length === 0, `seed ${seed}: every block is where it should be`, 150_000)
      .catch(() => {
        throw new Error(`seed ${seed}: ${lacking().join(", ")}`);
      });
    await cluster.until(() => cluster.lent === 0, `seed ${seed}: all memory that was lent is given back`);
    const digests = new Set(cluster.ids.map((id) => cluster.log.machine(id).digest()));
    if (digests.size > 1) throw new Error(`seed ${seed}: the namespaces differ`);
  }

  /** What is wrong with which block, for the message. */
  private async illnesses(): Promise<string> {
    const { cluster } = this;
    const lines: string[] = [];
    const all = async (): Promise<void> => {
      for await (const { status, blocks } of cluster.files("n2").health("/", ROOT)) {
        for (const block of blocks) {
          if (block.problem === "none") continue;
          const known = cluster.log.machine("n2").block(block.block);
          lines.push(JSON.stringify({ path: status.path, ...block, known }));
        }
      }
    };
    await cluster.of(all());
    return lines.join("\n");
  }
}

function fits(content: Bytes | undefined, candidate: Candidate): boolean {
  if (content === undefined || candidate.content === undefined) return content === candidate.content;
  if (candidate.atLeast === undefined) return content.equals(candidate.content);
  return content.length >= candidate.atLeast && content.equals(candidate.content.subarray(0, content.length));
}

function described({ content, atLeast }: Candidate): string {
  if (content === undefined) return "absent";
  const head = content.subarray(0, 4).toString("hex");
  return `${content.length} bytes ${head}${atLeast === undefined ? "" : `, at least ${atLeast}`}`;
}
