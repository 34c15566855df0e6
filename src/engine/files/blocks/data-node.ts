/**
 * A node that keeps blocks: takes part in pipelines, serves readers, leads and takes part in recoveries, reports, and carries
 * out what the leader of the namespace tells it to do. It believes no instruction about a replica that does not fit it, and
 * none of a leader whose term is over.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { Logger, NodeId, Timer } from "../../../runtime/world.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";
import { GROUP_NUMBERS, unitsOf } from "../namespace/erasure-policy.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import { failureOf } from "./block-link.ts";
import { recoverGroup } from "../erasure/group-recovery.ts";
import { rebuildShard } from "../erasure/shard-rebuild.ts";
import { recoverBlock } from "./block-recovery.ts";
import type { BlockStore, Outcome, Replica } from "./block-store.ts";
import { PipelineNode } from "./pipeline-node.ts";
import type { StreamId } from "./protocol.ts";
import { ReadServer } from "./read-server.ts";
import type { ReporterOptions } from "./reporter.ts";
import { Reporter } from "./reporter.ts";
import { copyReplica } from "./replica-copy.ts";

export interface DataNodeOptions extends Omit<ReporterOptions, "load" | "term"> {
  readonly logger: Logger;
  /** Bytes a second that the scrubber reads. Default 4 MiB; 0: it does not run. */
  readonly scrubBandwidth?: number;
}

interface Ending {
  fail: (failure: QuorateError) => void;
}

type CopyOrder = FrameOf<"replicate"> | FrameOf<"rebuild">;

/** Replicas that are made here at a time for the leader; others wait. */
const COPIES_MAX = 2;
const COPIES_QUEUE_MAX = 256;
const SCRUB_BYTES = 1 << 20;
/** A fetch says that it lives no more often than this. */
const SIGN_OF_LIFE_MS = 1_000;

export class DataNode {
  private readonly link: BlockLink;
  private readonly store: BlockStore;
  private readonly options: DataNodeOptions;
  private readonly pipelines: PipelineNode;
  private readonly readers: ReadServer;
  private readonly reporter: Reporter;
  /** By the number of the replica that is made. */
  private readonly copies = new Map<BlockId, { readonly frame: CopyOrder; readonly leader: NodeId }>();
  private copying = 0;
  /** What ends the making of a replica, for each that is under way. */
  private readonly endings = new Set<Ending>();
  private term = 0;
  private scrubTimer: Timer | undefined;
  private closed = false;

  constructor(link: BlockLink, store: BlockStore, options: DataNodeOptions) {
    this.link = link;
    this.store = store;
    this.options = options;
    this.pipelines = new PipelineNode(link, store);
    this.readers = new ReadServer(link, store);
    this.reporter = new Reporter(link, store, {
      ...options,
      term: () => this.term,
      load: () => ({ writers: this.pipelines.size, readers: this.readers.size }),
    });
    link.on("fetch", (from, frame) => this.fetch(from, frame));
    link.on("beginRecovery", (from, { stream, block, recoveryStamp }) => {
      store.beginRecovery(block, recoveryStamp, (error, replica) =>
        this.answer(from, stream, error, replica),
      );
    });
    link.on("finishRecovery", (from, { stream, block, recoveryStamp, length, copyTo }) => {
      store.finishRecovery(block, recoveryStamp, length, copyTo, (error, replica) =>
        this.answer(from, stream, error, replica),
      );
    });
    link.on("replicate", (from, frame) => this.replicate(frame.block, frame, from));
    link.on("rebuild", (from, frame) => this.rebuild(frame, from));
    link.on("delete", (_, { term, blocks }) => {
      if (this.obeys(term)) for (const block of blocks) this.delete(block);
    });
    link.on("verify", (_, { term, block }) => {
      if (!this.obeys(term)) return;
      // A replica that is found good is reported again: the complaint is answered. A bad one the store tells of.
      store.verify(block, (_, replica) => {
        if (replica !== undefined) this.reporter.reportAgain(replica);
      });
    });
    link.on("recover", (from, frame) => {
      if (!this.obeys(frame.term)) return;
      recoverBlock(link, frame, (report) => {
        if (report !== undefined) link.send(from, report);
      });
    });
    link.on("recoverGroup", (from, frame) => {
      if (!isGeometry(frame.geometry) || !this.obeys(frame.term)) return;
      recoverGroup(link, frame, (report) => {
        if (report !== undefined) link.send(from, report);
      });
    });
    this.scrub();
  }

  /** Tells the namespace at once, such as after the standing of the node changed. */
  report(): void {
    this.reporter.beat();
  }

  /** What a reader at this node found out. */
  reportDamage(block: BlockId, stamp: GenerationStamp, node: NodeId): void {
    for (const to of this.options.namespaceNodes())
      this.link.send(to, { type: "damaged", block, stamp, node });
  }

  close(done: () => void): void {
    this.closed = true;
    this.reporter.close();
    this.scrubTimer?.cancel();
    this.pipelines.close();
    this.readers.close();
    // While the store still takes changes: what is half made goes.
    for (const { fail } of this.endings) fail(new QuorateError("SHUTTING_DOWN", "the node is stopping"));
    this.store.close(done);
  }

  private obeys(term: number): boolean {
    if (term < this.term || this.closed) return false;
    this.term = term;
    return true;
  }

  private answer(
    to: NodeId,
    stream: StreamId,
    error: QuorateError | undefined,
    replica: Replica | undefined,
  ): void {
    const failure = error === undefined ? undefined : failureOf(error, this.link.self);
    this.link.send(to, { type: "held", stream, replica, failure });
  }

  private fetch(to: NodeId, { stream, block, stamp, length, from }: FrameOf<"fetch">): void {
    let toldMs = this.link.clock.monotonicMs();
    const options = {
      block,
      stamp,
      length,
      from,
      finish: false,
      bandwidth: Infinity,
      damaged: (node: NodeId) => this.reportDamage(block, stamp, node),
      progress: () => {
        const nowMs = this.link.clock.monotonicMs();
        if (nowMs - toldMs < SIGN_OF_LIFE_MS) return;
        toldMs = nowMs;
        this.answer(to, stream, undefined, undefined);
      },
    };
    this.make(
      (done) => copyReplica(this.link, this.store, options, done),
      (error, replica) => this.answer(to, stream, error, replica),
    );
  }

  /** `begin` gives what ends it, as this node's close does. */
  private make(
    begin: (done: Outcome<Replica>) => (failure: QuorateError) => void,
    done: Outcome<Replica>,
  ): void {
    const ending: Ending = { fail: () => undefined };
    this.endings.add(ending);
    ending.fail = begin((error, replica) => {
      this.endings.delete(ending);
      if (error === undefined) done(undefined, replica);
      else done(error);
    });
  }

  private replicate(id: BlockId, frame: CopyOrder, leader: NodeId): void {
    if (!this.obeys(frame.term)) return;
    if (this.copies.has(id)) {
      // A later leader has ordered what is being made: it is told what becomes of it.
      this.copies.set(id, { frame, leader });
      return;
    }
    if (this.hasGood(id, frame) || this.copies.size >= COPIES_QUEUE_MAX) {
      return this.notMade(id, frame, leader);
    }
    this.copies.set(id, { frame, leader });
    this.copyNext();
  }

  private rebuild(frame: FrameOf<"rebuild">, leader: NodeId): void {
    if (!isGeometry(frame.geometry) || frame.unit >= unitsOf(frame.geometry)) return;
    this.replicate(frame.block + frame.unit, frame, leader);
  }

  private hasGood(id: BlockId, frame: CopyOrder): boolean {
    const held = this.store.get(id);
    return held !== undefined && held.stamp >= frame.stamp && !isReplaced(frame, held);
  }

  /** What is here instead is told again: the leader did not know of it. */
  private notMade(id: BlockId, { term }: CopyOrder, leader: NodeId): void {
    const held = this.store.get(id);
    if (held !== undefined) this.reporter.reportAgain(held);
    this.link.send(leader, { type: "notMade", term, block: id });
  }

  private copyNext(): void {
    if (this.copying >= COPIES_MAX || this.closed) return;
    const next = [...this.copies][this.copying];
    if (next === undefined) return;
    const [id, { frame, leader }] = next;
    if (this.hasGood(id, frame)) {
      this.copies.delete(id);
      this.notMade(id, frame, leader);
      return this.copyNext();
    }
    this.copying++;
    const done = (error: QuorateError | undefined): void => {
      const order = this.copies.get(id) ?? { frame, leader };
      this.copies.delete(id);
      this.copying--;
      if (error !== undefined) {
        this.notMade(id, order.frame, order.leader);
        if (!this.closed)
          this.options.logger.log("warn", "blocks.copy-failed", { block: id, error: error.message });
      }
      this.copyNext();
    };
    const begin = (): void => {
      if (frame.type === "rebuild") this.makeShard(frame, done);
      else this.makeCopy(frame, done);
    };
    // One that is damaged, stale or left behind by its writer is in the way; after a recovery it promised not to be replaced.
    if (this.store.get(id) !== undefined) this.store.delete(id, begin);
    else begin();
  }

  private makeCopy(frame: FrameOf<"replicate">, done: (error: QuorateError | undefined) => void): void {
    const { block, stamp, length, from, bandwidth } = frame;
    const damaged = (node: NodeId): void => this.reportDamage(block, stamp, node);
    const progress = (): void => undefined;
    const options = { block, stamp, length, from, finish: true, bandwidth, damaged, progress };
    this.make((made) => copyReplica(this.link, this.store, options, made), done);
  }

  private makeShard(frame: FrameOf<"rebuild">, done: (error: QuorateError | undefined) => void): void {
    const { unit, bandwidth, stamp, ...source } = frame;
    const damaged = (node: NodeId, id: BlockId): void => this.reportDamage(id, stamp, node);
    const options = { source: { ...source, stamp }, unit, bandwidth, damaged };
    this.make((made) => rebuildShard(this.link, this.store, options, made), done);
  }

  private delete(block: BlockId): void {
    this.store.delete(block, (error) => {
      if (error === undefined) return;
      this.options.logger.log("warn", "blocks.delete-failed", { block, error: error.message });
    });
  }

  private scrub(): void {
    const bandwidth = this.options.scrubBandwidth ?? 4 * 1024 * 1024;
    if (bandwidth <= 0 || this.closed) return;
    this.store.scrub(SCRUB_BYTES, (_, read = 0) => {
      if (this.closed) return;
      // With nothing to read, a look a second; else as fast as it may.
      const delayMs = read === 0 ? 1000 : (read / bandwidth) * 1000;
      this.scrubTimer = this.link.clock.setTimer(delayMs, () => this.scrub());
    });
  }
}

/**
 * Whether a replica of the wanted stamp makes place for a new one. One that is damaged does, and a shard that was not finished,
 * which the stamp does not tell, because writers of groups go on under one stamp when a node fails. Of a block only closed ones
 * are ordered, and those that wrote it have finished theirs: what is `writing` under that very stamp is a copy that ended
 * halfway with its process. Under a later stamp it is that of somebody who goes on with the block.
 */
function isReplaced(frame: CopyOrder, { state, stamp }: Replica): boolean {
  if (state === "corrupt") return true;
  if (frame.type === "rebuild") return state !== "finished";
  return state === "writing" && stamp === frame.stamp;
}

/** What a peer says of a layout is looked at before it is worked with. */
function isGeometry({ dataUnits, parityUnits, cellBytes }: StripeGeometry): boolean {
  return dataUnits > 0 && parityUnits > 0 && dataUnits + parityUnits <= GROUP_NUMBERS && cellBytes > 0;
}
