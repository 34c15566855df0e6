/**
 * Reads a range of one block group, stripe by stripe, the next one while one is used. Shards that cannot be read are made out
 * of the others; the reader gets every byte once, in order, and sees nothing of this. Its door is that of `block-reader.ts`.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { ReadEvents } from "../blocks/block-reader.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";
import { cellLength } from "../namespace/erasure-policy.ts";
import type { GroupSource, LostShards, WantedCell } from "./stripe-reader.ts";
import { StripeReader } from "./stripe-reader.ts";

export interface GroupRange extends GroupSource {
  /** In the group, as the bytes of its file. */
  readonly offset: number;
  readonly length: number;
}

/** Stripes that are read at a time. */
const STRIPES_AHEAD = 2;

/** Begins to read. The returned function stops; nothing is called back after it. */
export function readGroup(link: BlockLink, range: GroupRange, events: ReadEvents): () => void {
  const { offset, length, geometry } = range;
  const stripeBytes = geometry.dataUnits * geometry.cellBytes;
  const first = Math.floor(offset / stripeBytes);
  const last = length === 0 ? first - 1 : Math.floor((offset + length - 1) / stripeBytes);
  const wanted = (stripe: number): WantedCell[] => cellsOf(geometry, stripe, offset, offset + length);
  return readStripes(link, { source: range, first, last, wanted, lost: new Map() }, events);
}

/** Makes shard `unit` out of the others: all of its bytes, in order. */
export function readShardAnew(
  link: BlockLink,
  source: GroupSource,
  unit: number,
  events: ReadEvents,
): () => void {
  const { geometry, groupLength } = source;
  const last = Math.ceil(groupLength / (geometry.dataUnits * geometry.cellBytes)) - 1;
  const wanted = (stripe: number): WantedCell[] => {
    const to = cellLength(geometry, groupLength, stripe, unit);
    return to === 0 ? [] : [{ unit, from: 0, to }];
  };
  const lost = new Map([[unit, "it is being made"]]);
  return readStripes(link, { source, first: 0, last, wanted, lost }, events);
}

/** The parts of a stripe's data cells that lie in bytes [from, to) of the group. */
function cellsOf(geometry: StripeGeometry, stripe: number, from: number, to: number): WantedCell[] {
  const { dataUnits, cellBytes } = geometry;
  const cells: WantedCell[] = [];
  for (let unit = 0; unit < dataUnits; unit++) {
    const begin = (stripe * dataUnits + unit) * cellBytes;
    const cell = { unit, from: Math.max(0, from - begin), to: Math.min(cellBytes, to - begin) };
    if (cell.to > cell.from) cells.push(cell);
  }
  return cells;
}

interface StripesRange {
  readonly source: GroupSource;
  readonly first: number;
  readonly last: number;
  readonly wanted: (stripe: number) => readonly WantedCell[];
  readonly lost: LostShards;
}

function readStripes(link: BlockLink, range: StripesRange, events: ReadEvents): () => void {
  const reading = new StripesReading(link, range, events);
  reading.advance();
  return () => reading.stop();
}

class StripesReading {
  private readonly link: BlockLink;
  private readonly range: StripesRange;
  private readonly events: ReadEvents;
  /** In order; the first one is being given. */
  private readonly open: StripeReader[] = [];
  private next: number;
  /** Pieces that the one who reads has not used yet. */
  private unused = 0;
  private isAdvancing = false;
  private isOver = false;

  constructor(link: BlockLink, range: StripesRange, events: ReadEvents) {
    this.link = link;
    this.range = range;
    this.events = events;
    this.next = range.first;
  }

  stop(): void {
    this.isOver = true;
    for (const stripe of this.open.splice(0)) stripe.stop();
  }

  /** Begins stripes, gives what is there, and ends. Whatever is called back may call it again. */
  advance(): void {
    if (this.isAdvancing) return;
    this.isAdvancing = true;
    while (!this.isOver && this.step());
    this.isAdvancing = false;
  }

  private step(): boolean {
    const { last } = this.range;
    if (this.open.length < STRIPES_AHEAD && this.next <= last) {
      this.begin(this.next++);
      return true;
    }
    const [first] = this.open;
    if (first === undefined) {
      this.end(undefined);
      return false;
    }
    const bytes = first.take();
    if (bytes !== undefined) {
      this.give(bytes);
      return true;
    }
    if (first.failure !== undefined) {
      const text = `block group ${this.range.source.block} cannot be read`;
      this.end(new QuorateError("BLOCK_MISSING", `${text}: ${first.failure}`));
      return false;
    }
    if (!first.isTaken || this.unused > 0) return false;
    first.stop();
    this.open.shift();
    return true;
  }

  private begin(number: number): void {
    const { source, wanted, lost } = this.range;
    const stripe = new StripeReader(this.link, source, number, wanted(number), lost, {
      ready: () => this.advance(),
      damaged: (node, block) => {
        if (!this.isOver) this.events.damaged(node, block);
      },
    });
    this.open.push(stripe);
    stripe.start();
  }

  private give(bytes: Parameters<ReadEvents["piece"]>[0]): void {
    this.unused++;
    let isUsed = false;
    this.events.piece(bytes, () => {
      if (isUsed) return;
      isUsed = true;
      this.unused--;
      this.advance();
    });
  }

  private end(error: QuorateError | undefined): void {
    if (this.isOver) return;
    this.stop();
    this.events.end(error);
  }
}
