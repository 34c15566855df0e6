/**
 * Reads cells of one stripe: each from its shard, and those whose shards cannot be read out of as many others as data needs.
 * What every shard gives is verified by its checksums; so what is made of it is right.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateOwnedBytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import { readBlock } from "../blocks/block-reader.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";
import { cellLength, unitsOf } from "../namespace/erasure-policy.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { Pieces } from "./pieces.ts";
import { cutPieces } from "./pieces.ts";
import { codeOf } from "./reed-solomon.ts";

/** A block group, and where its shards are. */
export interface GroupSource {
  /** Of its first shard. */
  readonly block: BlockId;
  /** A shard with an older one is not read. */
  readonly stamp: GenerationStamp;
  readonly geometry: StripeGeometry;
  readonly groupLength: number;
  /** Nodes of each shard, nearest first; none: it is not there. */
  readonly from: readonly (readonly NodeId[])[];
}

/** Bytes [from, to) of one cell. */
export interface WantedCell {
  readonly unit: number;
  readonly from: number;
  readonly to: number;
}

export interface StripeEvents {
  /** More can be taken. */
  ready(): void;
  damaged(node: NodeId, block: BlockId): void;
}

/** Shards that could not be read, and why: once for all stripes of a reading, so that each is tried once. */
export type LostShards = Map<number, string>;

interface CellRead {
  readonly from: number;
  readonly to: number;
  readonly pieces: Bytes[];
  /** Behind the last byte that is there, in the cell. */
  at: number;
  stop: () => void;
}

export class StripeReader {
  private readonly link: BlockLink;
  private readonly source: GroupSource;
  private readonly stripe: number;
  private readonly wanted: readonly WantedCell[];
  private readonly lost: LostShards;
  private readonly events: StripeEvents;
  /** Of the wanted cells, by unit. */
  private readonly cells = new Map<number, CellRead>();
  /** What else is read, to make cells out of it. */
  private readonly others = new Map<number, CellRead>();
  private givenCells = 0;
  private givenPieces = 0;
  private isAdvancing = false;
  private isOver = false;
  private whyNot: string | undefined;

  /** Cells are given in the order in which they are wanted. */
  constructor(
    link: BlockLink,
    source: GroupSource,
    stripe: number,
    wanted: readonly WantedCell[],
    lost: LostShards,
    events: StripeEvents,
  ) {
    this.link = link;
    this.source = source;
    this.stripe = stripe;
    this.wanted = wanted;
    this.lost = lost;
    this.events = events;
  }

  start(): void {
    // A read may end while it is being begun: nothing is decided before all are.
    this.isAdvancing = true;
    for (const { unit, from, to } of this.wanted) {
      if (this.lost.has(unit))
        this.cells.set(unit, { from, to, pieces: [], at: from, stop: () => undefined });
      else this.read(this.cells, unit, from, to);
    }
    this.isAdvancing = false;
    this.advance();
  }

  /** The next bytes; undefined: they are not there yet, or all were given. */
  take(): Bytes | undefined {
    for (;;) {
      const next = this.wanted[this.givenCells];
      const cell = next === undefined ? undefined : this.cells.get(next.unit);
      const piece = cell?.pieces[this.givenPieces];
      if (piece !== undefined) {
        this.givenPieces++;
        return piece;
      }
      if (cell === undefined || cell.at < cell.to) return undefined;
      this.givenCells++;
      this.givenPieces = 0;
    }
  }

  /** Everything was taken. */
  get isTaken(): boolean {
    return this.givenCells === this.wanted.length;
  }

  /** Why the next byte cannot be given, now or ever; undefined: it comes. */
  get failure(): string | undefined {
    const next = this.wanted[this.givenCells];
    const isLost = next !== undefined && this.lost.has(next.unit) && !isWhole(this.cells.get(next.unit));
    return isLost ? this.whyNot : undefined;
  }

  stop(): void {
    this.isOver = true;
    for (const reads of [this.cells, this.others]) for (const { stop } of reads.values()) stop();
  }

  private read(into: Map<number, CellRead>, unit: number, from: number, to: number): void {
    into.get(unit)?.stop();
    const { block, stamp, geometry, from: nodes } = this.source;
    const read: CellRead = { from, to, pieces: [], at: from, stop: () => undefined };
    into.set(unit, read);
    const range = {
      block: block + unit,
      stamp,
      offset: this.stripe * geometry.cellBytes + from,
      length: to - from,
      from: nodes[unit] ?? [],
    };
    const stop = readBlock(this.link, range, {
      piece: (bytes, more) => {
        read.pieces.push(bytes);
        read.at += bytes.length;
        // A cell is bounded: it need not wait for the one who reads.
        more();
        if (into === this.cells) this.events.ready();
      },
      damaged: (node, id) => this.events.damaged(node, id),
      end: (error) => {
        if (error !== undefined) this.lost.set(unit, error.message);
        this.advance();
      },
    });
    read.stop = stop;
  }

  /** Looks what is missing, and sees to it. */
  private advance(): void {
    if (this.isAdvancing || this.isOver) return;
    this.isAdvancing = true;
    while (this.makeMissing());
    this.isAdvancing = false;
  }

  /** True: something changed meanwhile, look again. */
  private makeMissing(): boolean {
    if (this.isOver || this.whyNot !== undefined) return false;
    const missing = this.wanted.filter(({ unit }) => this.lost.has(unit) && !isWhole(this.cells.get(unit)));
    if (missing.length === 0) return false;
    const starts = missing.map(({ unit, from }) => this.cells.get(unit)?.at ?? from);
    const from = Math.min(...starts);
    const to = Math.max(...missing.map((cell) => cell.to));
    const inputs = this.chooseInputs(from, to);
    if (inputs === undefined) {
      // What comes before, and is not lost, is given all the same.
      this.whyNot = this.whyLost();
      this.events.ready();
      return false;
    }
    const lostBefore = this.lost.size;
    const given = new Map<number, Pieces>();
    for (const unit of inputs) {
      const end = Math.min(to, this.lengthOf(unit));
      const read = this.readOf(unit, from, end);
      if (end <= from) given.set(unit, []);
      else if (read === undefined) this.read(this.others, unit, from, end);
      else if (read.at >= end) given.set(unit, cutPieces(read.pieces, from - read.from, end - read.from));
    }
    if (this.lost.size !== lostBefore) return true;
    if (given.size < inputs.length) return false;
    const outputs = missing.map(() => allocateOwnedBytes(to - from));
    codeOf(this.source.geometry).decode(
      given,
      missing.map(({ unit }) => unit),
      outputs,
    );
    for (const [at, { unit, to: end }] of missing.entries()) {
      const cell = this.cells.get(unit) as CellRead;
      // Another stripe may have found the shard lost while this one still gets bytes of it.
      cell.stop();
      cell.pieces.push((outputs[at] as Bytes).subarray(cell.at - from, end - from));
      cell.at = end;
    }
    this.events.ready();
    return false;
  }

  /** As many units as data has, of which bytes [from, to) can be had; what is there or on its way comes first. */
  private chooseInputs(from: number, to: number): readonly number[] | undefined {
    const { geometry } = this.source;
    const rank = (unit: number): number => {
      const end = Math.min(to, this.lengthOf(unit));
      // Where a cell has no bytes there are zeros, which nobody needs to read.
      if (end <= from) return 0;
      return this.readOf(unit, from, end) !== undefined ? 1 : 2;
    };
    const units = Array.from({ length: unitsOf(geometry) }, (_, unit) => unit)
      .filter((unit) => this.lengthOf(unit) <= from || !this.lost.has(unit))
      .sort((left, right) => rank(left) - rank(right) || left - right);
    return units.length < geometry.dataUnits ? undefined : units.slice(0, geometry.dataUnits);
  }

  /** A read of these bytes that is done or under way. */
  private readOf(unit: number, from: number, to: number): CellRead | undefined {
    return [this.cells.get(unit), this.others.get(unit)].find(
      (read) => read !== undefined && read.from <= from && read.to >= to,
    );
  }

  private lengthOf(unit: number): number {
    const { geometry, groupLength } = this.source;
    return cellLength(geometry, groupLength, this.stripe, unit);
  }

  private whyLost(): string {
    const { geometry } = this.source;
    const reasons = [...this.lost].map(([unit, why]) => `shard ${unit}: ${why}`);
    const needed = `${geometry.dataUnits} of ${unitsOf(geometry)} shards are needed`;
    return `${needed}, and ${this.lost.size} cannot be read (${reasons.join("; ")})`;
  }
}

function isWhole(read: CellRead | undefined): boolean {
  return read !== undefined && read.at >= read.to;
}
