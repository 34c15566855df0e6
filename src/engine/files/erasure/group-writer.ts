/**
 * Writes one block group: bytes go round the data shards as they come, and when a stripe is whole its parity goes to the others.
 * Each shard is a replica on one node, written by a pipeline of that node alone.
 *
 * A shard whose node fails is left as it is, and the others go on, as long as as many are left as data needs; the leader makes
 * it anew when the group is closed. It needs no new stamp for that: a shard that is not finished is no part of the group, and
 * one that is finished has all of its bytes. Nothing counts before the end: `finish` is acknowledged when all shards that
 * still take part are on their disks.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateOwnedBytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { Outcome, ReplicaDurability } from "../blocks/block-store.ts";
import type { BlockWriter } from "../blocks/block-writer.ts";
import type { PipelineAuthority } from "../blocks/pipeline-writer.ts";
import { release, retain } from "../blocks/buffer-pool.ts";
import { PipelineWriter } from "../blocks/pipeline-writer.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";
import { unitsOf } from "../namespace/erasure-policy.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import { codeOf } from "./reed-solomon.ts";

export interface GroupWriterOptions {
  readonly block: BlockId;
  readonly stamp: GenerationStamp;
  readonly geometry: StripeGeometry;
  /** Shard i goes to the i-th; one may come several times. Shards behind the last are not written. */
  readonly nodes: readonly NodeId[];
  readonly durability: ReplicaDurability;
}

/** Bytes of one shard that may be without an acknowledgement: at most so many times the shards for the whole group. */
const SHARD_WINDOW_BYTES = 2 * 1024 * 1024;

/** A shard's node is not replaced, and there is no stamp to go on under: the leader makes the shard anew. */
const NO_OTHER_NODE: PipelineAuthority = {
  nextStamp: (done) => done(undefined),
  updatePipeline: (_, __, done) => done(undefined),
  replacement: () => undefined,
};

export class GroupWriter implements BlockWriter {
  private readonly link: BlockLink;
  private readonly options: GroupWriterOptions;
  /** By unit; begun with its first byte. */
  private readonly shards: (PipelineWriter | undefined)[] = [];
  /** Of the stripe that has begun: what went into each of its cells. */
  private cells: Bytes[][] = [];
  private stripeBytes = 0;
  /** While the shards are being finished: units whose shards will not be. */
  private unfinished: Set<number> | undefined;
  private ended: QuorateError | undefined;
  length = 0;

  constructor(link: BlockLink, options: GroupWriterOptions) {
    this.link = link;
    this.options = options;
  }

  /** What nodes have acknowledged of the data; the group has no length before `finish`. */
  get written(): WrittenBlock {
    const { block: id, stamp, geometry } = this.options;
    const data = this.shards.slice(0, geometry.dataUnits);
    const length = data.reduce((sum, shard) => sum + (shard?.written.length ?? 0), 0);
    return { id, stamp, length };
  }

  get pipeline(): readonly NodeId[] {
    return this.options.nodes;
  }

  get lostNodes(): ReadonlySet<NodeId> {
    return new Set(this.shards.flatMap((shard) => [...(shard?.lostNodes ?? [])]));
  }

  get failure(): QuorateError | undefined {
    return this.ended;
  }

  write(bytes: Bytes, room: () => void): void {
    let waitsFor = 1;
    const roomHere = (): void => {
      this.check();
      if (--waitsFor === 0) room();
    };
    const { cellBytes, dataUnits } = this.options.geometry;
    for (let rest = bytes; rest.length > 0 && this.ended === undefined;) {
      const cell = Math.floor(this.stripeBytes / cellBytes);
      const part = rest.subarray(0, (cell + 1) * cellBytes - this.stripeBytes);
      rest = rest.subarray(part.length);
      retain(part);
      (this.cells[cell] ??= []).push(part);
      this.stripeBytes += part.length;
      this.length += part.length;
      waitsFor++;
      this.put(cell, part, roomHere);
      // Nobody would end the shards of a group that has ended meanwhile.
      if (this.failure !== undefined || this.stripeBytes < dataUnits * cellBytes) continue;
      waitsFor++;
      this.putParity(roomHere);
    }
    roomHere();
  }

  /** Parity of a stripe that is not whole would have to change with every byte: refused, as HDFS gives no such promise. */
  sync(done: Outcome<WrittenBlock>): void {
    done(new QuorateError("UNSUPPORTED", "an erasure coded file cannot be synced before it is closed"));
  }

  finish(done: Outcome<WrittenBlock>): void {
    if (this.stripeBytes > 0 && this.ended === undefined) this.putParity(() => undefined);
    this.check();
    if (this.ended !== undefined) return done(this.ended);
    const shards = [...this.shards.entries()].filter(([, shard]) => shard !== undefined);
    const unfinished = new Set<number>();
    let left = shards.length + 1;
    const settle = (): void => {
      if (--left > 0) return;
      this.check();
      if (this.ended !== undefined) return done(this.ended);
      const { block: id, stamp } = this.options;
      this.ended = new QuorateError("REPLICA_UNUSABLE", "the block group is finished");
      done(undefined, { id, stamp, length: this.length });
    };
    this.unfinished = unfinished;
    for (const [unit, shard] of shards) {
      shard?.finish((error) => {
        if (error !== undefined) unfinished.add(unit);
        settle();
      });
    }
    settle();
  }

  abort(): void {
    this.end(new QuorateError("SHUTTING_DOWN", "the writer gave up"));
  }

  private end(failure: QuorateError): void {
    if (this.ended !== undefined) return;
    this.ended = failure;
    this.leaveCells();
    for (const shard of this.shards) shard?.abort();
  }

  private put(unit: number, bytes: Bytes, room: () => void): void {
    const { block, stamp, nodes, durability } = this.options;
    const node = nodes[unit];
    // Left out from the beginning.
    if (node === undefined) return room();
    this.shards[unit] ??= new PipelineWriter(this.link, {
      block: block + unit,
      stamp,
      nodes: [node],
      replication: 1,
      length: 0,
      tailSum: 0,
      durability,
      authority: NO_OTHER_NODE,
      windowBytes: SHARD_WINDOW_BYTES,
    });
    this.shards[unit].write(bytes, room);
  }

  /** Ends the stripe. */
  private putParity(room: () => void): void {
    const { geometry } = this.options;
    const { dataUnits, parityUnits, cellBytes } = geometry;
    const size = Math.min(cellBytes, this.stripeBytes);
    const parity = Array.from({ length: parityUnits }, () => allocateOwnedBytes(size));
    const data = Array.from({ length: dataUnits }, (_, cell) => this.cells[cell] ?? []);
    codeOf(geometry).encode(data, parity);
    this.leaveCells();
    this.stripeBytes = 0;
    let waitsFor = parityUnits;
    for (const [at, bytes] of parity.entries()) {
      this.put(dataUnits + at, bytes, () => {
        if (--waitsFor === 0) room();
      });
    }
  }

  private leaveCells(): void {
    for (const part of this.cells.flat()) release(part);
    this.cells = [];
  }

  /** Ends when so many shards are lost that not even all others give the data back. */
  private check(): void {
    if (this.ended !== undefined) return;
    const { block, geometry, nodes } = this.options;
    const lost: number[] = [];
    for (let unit = 0; unit < unitsOf(geometry); unit++) {
      // A shard that is finished takes no more bytes either.
      const hasFailed = this.unfinished?.has(unit) ?? this.shards[unit]?.failure !== undefined;
      if (hasFailed || nodes[unit] === undefined) lost.push(unit);
    }
    if (lost.length <= geometry.parityUnits) return;
    const reasons = lost.flatMap((unit) => this.shards[unit]?.failure?.message ?? []);
    const text = `block group ${block} lost ${lost.length} of its ${unitsOf(geometry)} shards, of which it can lose`;
    this.end(
      new QuorateError("NO_TARGETS", [`${text} ${geometry.parityUnits}`, ...reasons.slice(0, 3)].join(": ")),
    );
  }
}
