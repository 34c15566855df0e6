/**
 * The blocks of one file that is being written, one after the other: each is placed, put into the log, written through a
 * pipeline, and closed by the command that begins the next one. One writer, one lease; every call but `stop` waits for the one
 * before it.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import { readBlock } from "../blocks/block-reader.ts";
import type { ReplicaDurability } from "../blocks/block-store.ts";
import { CHUNK_BYTES } from "../blocks/block-store.ts";
import { ChunkChecksums } from "../blocks/chunk-checksums.ts";
import type { BlockWriter } from "../blocks/block-writer.ts";
import type { Locations } from "../blocks/locations.ts";
import { release, retain } from "../blocks/buffer-pool.ts";
import type { PipelineAuthority, PipelineOptions } from "../blocks/pipeline-writer.ts";
import { PipelineWriter } from "../blocks/pipeline-writer.ts";
import type { ScheduledBlock } from "../blocks/scheduled-blocks.ts";
import { GroupWriter } from "../erasure/group-writer.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import type { ErasurePolicy } from "../namespace/erasure-policy.ts";
import { unitsOf } from "../namespace/erasure-policy.ts";
import type { Block, FileId, FileStatus } from "../namespace/model.ts";
import type { NamespaceLog } from "./namespace-log.ts";
import { settled } from "./namespace-log.ts";
import type { Targets } from "./targets.ts";

/** What all writers of a node share. */
export interface WritingMeans {
  readonly log: NamespaceLog;
  readonly link: BlockLink;
  readonly locations: Locations;
  readonly targets: Targets;
  readonly durability: ReplicaDurability;
  /** Resolves when it is known who can take blocks, soon after the start of this node. */
  readonly met: (replicas: number) => Promise<void>;
}

export interface SequenceOptions {
  readonly file: FileId;
  readonly holder: string;
  /** Bytes that one block holds at most. */
  readonly blockSize: number;
  readonly replication: number;
  /** Blocks are groups of this policy. Undefined: they are replicated. */
  readonly coding: ErasurePolicy | undefined;
  readonly exclude: ReadonlySet<NodeId>;
}

/** Times that a block of which nothing was acknowledged is begun anew, on other nodes. */
const ATTEMPTS_MAX = 4;
const ATTEMPT_DELAY_MS = 500;

export class BlockSequence {
  private readonly means: WritingMeans;
  private readonly options: SequenceOptions;
  private readonly failed = new Set<NodeId>();
  private pipeline: BlockWriter | undefined;
  /** What the block may take of its nodes' disks. */
  private scheduled: ScheduledBlock | undefined;
  /** Closed on all its nodes, and not by the log yet. */
  private finished: WrittenBlock | undefined;
  /** What was put into the block while nothing of it is acknowledged: another attempt begins with it. */
  private readonly unproven: Bytes[] = [];
  private attempts = 0;
  private stopped = false;

  constructor(means: WritingMeans, options: SequenceOptions) {
    this.means = means;
    this.options = options;
  }

  /** Goes on in the last block of a file, which was put under a new stamp; these nodes hold it. */
  async goOn(block: Block, oldStamp: number, nodes: readonly NodeId[], replication: number): Promise<void> {
    const tailSum = await this.tailSum(block, oldStamp, nodes);
    this.schedule(nodes, this.options.blockSize, block.length);
    this.open({ block: block.id, stamp: block.stamp, nodes, replication, length: block.length, tailSum });
  }

  /** Resolves when more may come. The bytes must not change any more. */
  async write(bytes: Bytes): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const pipeline = this.pipeline ?? (await this.begin());
      const part = rest.subarray(0, this.options.blockSize - pipeline.length);
      rest = rest.subarray(part.length);
      if (pipeline.written.length === 0 && !this.stopped) {
        retain(part);
        this.unproven.push(part);
      }
      await this.push(pipeline, part);
      if (this.pipeline?.length === this.options.blockSize) await this.finishBlock();
    }
  }

  /** Everything so far is durable on all nodes that hold it, and readers see it. */
  async sync(): Promise<void> {
    const block = await this.synced();
    if (block === undefined) return;
    const { file, holder } = this.options;
    await this.means.log.insist({ type: "sync", file, holder, block });
  }

  /** Everything is durable, and the file is closed. */
  async complete(): Promise<FileStatus> {
    if (this.pipeline !== undefined) await this.finishBlock();
    const { file, holder } = this.options;
    return this.means.log.change({ type: "complete", file, holder, last: this.finished });
  }

  /** Ends what is under way with an error; replicas stay as they are. */
  stop(): void {
    this.stopped = true;
    this.unschedule();
    this.pipeline?.abort();
    this.leaveUnproven();
  }

  private leaveUnproven(): void {
    for (const part of this.unproven.splice(0)) release(part);
  }

  private schedule(nodes: readonly NodeId[], bytesOnEach: number, presentBytes = 0): void {
    this.scheduled = this.means.targets.schedule(nodes, bytesOnEach, presentBytes);
    if (this.stopped) this.unschedule();
  }

  /** No more comes to the block; what came counts until its nodes have told of it. */
  private unschedule(): void {
    const bytes = this.pipeline?.length ?? 0;
    this.scheduled?.end(Math.ceil(bytes / (this.options.coding?.dataUnits ?? 1)));
  }

  private async synced(): Promise<WrittenBlock | undefined> {
    for (;;) {
      const { pipeline } = this;
      if (pipeline === undefined) return this.finished;
      try {
        return await settled<WrittenBlock>((done) => pipeline.sync(done));
      } catch (error) {
        await this.beginAgain(pipeline, error);
      }
    }
  }

  private async push(pipeline: BlockWriter, part: Bytes): Promise<void> {
    await new Promise<void>((resolve) => pipeline.write(part, resolve));
    if (pipeline.failure !== undefined) return this.beginAgain(pipeline, pipeline.failure);
    if (pipeline.written.length > 0) this.leaveUnproven();
  }

  private async finishBlock(): Promise<void> {
    for (;;) {
      const { pipeline } = this;
      if (pipeline === undefined) return;
      try {
        this.finished = await settled<WrittenBlock>((done) => pipeline.finish(done));
        this.unschedule();
        this.pipeline = undefined;
        this.leaveUnproven();
        this.attempts = 0;
        return;
      } catch (error) {
        await this.beginAgain(pipeline, error);
      }
    }
  }

  private async begin(): Promise<BlockWriter> {
    const { log, link, durability } = this.means;
    const { file, holder, replication, coding } = this.options;
    const nodes = await (coding === undefined ? this.replicaNodes() : this.shardNodes(coding));
    const given = (): boolean => this.stopped;
    const command = { type: "addBlock", file, holder, previous: this.finished, pipeline: nodes } as const;
    const { block, pipeline } = await log.insist(command, given).catch((error: unknown) => {
      this.unschedule();
      throw error;
    });
    const { id, stamp } = block;
    if (coding !== undefined) {
      const group = { block: id, stamp, geometry: coding, nodes: pipeline, durability };
      return this.writeWith(new GroupWriter(link, group));
    }
    return this.open({ block: id, stamp, nodes: pipeline, replication, length: 0, tailSum: 0 });
  }

  private open(
    options: Pick<PipelineOptions, "block" | "stamp" | "nodes" | "replication" | "length" | "tailSum">,
  ): BlockWriter {
    const { link, durability } = this.means;
    const authority = this.authority(options.block);
    // An append's stamp is told to the log when all nodes have it: else no replica would be good enough for the log.
    const isNew = options.length === 0;
    return this.writeWith(
      new PipelineWriter(link, { ...options, durability, authority, stampIsTold: isNew }),
    );
  }

  private writeWith(writer: BlockWriter): BlockWriter {
    this.pipeline = writer;
    if (this.stopped) writer.abort();
    return writer;
  }

  private async replicaNodes(): Promise<readonly NodeId[]> {
    const { targets, link, met } = this.means;
    const { replication, blockSize } = this.options;
    await met(replication);
    const exclude = new Set([...this.options.exclude, ...this.failed]);
    const wanted = { replicas: replication, blockSize, exclude, writer: link.self };
    const nodes = targets.choose(wanted);
    if (nodes.length === 0) throw targets.refusal(wanted);
    this.schedule(nodes, blockSize);
    return nodes;
  }

  private async shardNodes(coding: ErasurePolicy): Promise<readonly NodeId[]> {
    const { targets, met } = this.means;
    await met(unitsOf(coding));
    const exclude = new Set([...this.options.exclude, ...this.failed]);
    const wanted = { coding, shardBytes: this.options.blockSize / coding.dataUnits, exclude };
    const nodes = targets.chooseShards(wanted);
    if (nodes.length < coding.dataUnits) throw targets.shardRefusal(wanted, nodes.length);
    this.schedule(nodes, wanted.shardBytes);
    return nodes;
  }

  /** A block that came to nothing is taken back, and begun anew on other nodes with all that was put into it. */
  private async beginAgain(pipeline: BlockWriter, error: unknown): Promise<void> {
    this.unschedule();
    const isHopeless = !isQuorateError(error) || !PASSING.has(error.code) || this.stopped;
    // Whoever asked gives up then, and stops this.
    if (isHopeless || pipeline.written.length > 0 || ++this.attempts >= ATTEMPTS_MAX) throw error;
    const { log } = this.means;
    const { file, holder } = this.options;
    for (const node of pipeline.lostNodes) this.failed.add(node);
    await log.delay(ATTEMPT_DELAY_MS * this.attempts);
    await log.insist({ type: "abandonBlock", file, holder, block: pipeline.written.id }, () => this.stopped);
    if (this.stopped) throw error;
    const content = concatBytes(this.unproven);
    this.pipeline = undefined;
    this.leaveUnproven();
    if (content.length > 0) await this.write(content);
  }

  private authority(block: number): PipelineAuthority {
    const { log, targets } = this.means;
    const { file, holder, blockSize } = this.options;
    const given = (): boolean => this.stopped;
    return {
      nextStamp(done) {
        log.insist({ type: "nextStamp", file, holder, block }, given).then(
          (stamp) => done(undefined, stamp),
          (error: unknown) => done(error as QuorateError),
        );
      },
      updatePipeline(written, pipeline, done) {
        log.insist({ type: "updatePipeline", file, holder, block: written, pipeline }, given).then(
          () => done(undefined),
          (error: unknown) => {
            // Said twice, the second is refused: the log has it.
            const isThere = log.machine.block(block)?.stamp === written.stamp;
            done(isThere ? undefined : (error as QuorateError));
          },
        );
      },
      replacement: (present, excluded) => {
        const exclude = new Set([...excluded, ...this.options.exclude]);
        const [node] = targets.choose({ replicas: 1, blockSize, exclude, present });
        if (node !== undefined) this.scheduled?.add(node);
        return node;
      },
    };
  }

  /** The checksum of the last chunk, when it is not full: the writer's checksums go on from it. */
  private async tailSum(block: Block, oldStamp: number, nodes: readonly NodeId[]): Promise<number> {
    const offset = Math.floor(block.length / CHUNK_BYTES) * CHUNK_BYTES;
    const length = block.length - offset;
    if (length === 0) return 0;
    const parts: Bytes[] = [];
    const range = { block: block.id, stamp: oldStamp, offset, length, from: nodes };
    await settled((done) => {
      readBlock(this.means.link, range, {
        piece: (bytes, more) => {
          parts.push(bytes);
          more();
        },
        damaged: () => undefined,
        end: done,
      });
    });
    const tail = concatBytes(parts);
    const checksums = new ChunkChecksums(0, 0);
    checksums.advance(tail, checksums.of(tail));
    return checksums.tailSum;
  }
}

/** Other nodes may do better. */
const PASSING: ReadonlySet<string> = new Set(["NO_TARGETS", "REPLICA_UNUSABLE", "OVERLOADED", "DISK_FULL"]);
