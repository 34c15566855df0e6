/**
 * Safe mode at the start of a node: until enough blocks were reported it takes no changes and repairs nothing, because a node
 * that has only not spoken yet looks like one that is gone. A namespace without blocks has nothing to wait for. An operator
 * ends it by hand when what is missing will not come back.
 */
import type { Clock, Timer } from "../../../runtime/world.ts";
import type { Locations } from "../blocks/locations.ts";
import { isThere } from "../blocks/locations.ts";
import { isReadable } from "../erasure/group-source.ts";
import type { NamespaceQueries, StoredBlock } from "../namespace/queries.ts";

export interface SafeModeOptions {
  readonly clock: Clock;
  readonly namespace: Pick<NamespaceQueries, "blocks" | "statistics">;
  readonly locations: Pick<Locations, "readable">;
  /** Share of the blocks that must be readable. */
  readonly share: number;
  /** After that, so much longer: for the rest of the reports. */
  readonly extensionMs: number;
  /** Every node has reported all that it holds: there is no rest to wait for. */
  readonly allReported: () => boolean;
}

const LOOK_MS = 50;
/** After a look at many blocks it rests so many times as long. */
const REST = 4;
/** Blocks that are looked at in one turn. */
const BLOCKS_PER_TURN = 5_000;

export class SafeMode {
  private readonly options: SafeModeOptions;
  private state: "starting" | "waiting" | "extended" | "off" = "starting";
  private total = 0;
  private missing = 0;
  private lookedMs = 0;
  private extendedMs = 0;
  private timer: Timer | undefined;

  constructor(options: SafeModeOptions) {
    this.options = options;
  }

  /** Everything that was committed before this node's start is applied. */
  begin(): void {
    if (this.state !== "starting") return;
    this.state = "waiting";
    this.look();
  }

  /** By an operator's word. What he said before the node's start does not count. */
  leave(): void {
    if (this.state !== "starting") this.end();
  }

  get isOn(): boolean {
    return this.state !== "off";
  }

  /** One sentence; undefined: it is off. */
  get reason(): string | undefined {
    const { share } = this.options;
    switch (this.state) {
      case "off":
        return undefined;
      case "starting":
        return "The node is starting.";
      case "extended":
        return "Enough blocks were reported; the rest is waited for.";
      case "waiting":
        return `Of ${this.total} blocks ${this.total - this.missing} can be read; ${Math.ceil(this.total * share)} must be.`;
    }
  }

  close(): void {
    this.timer?.cancel();
  }

  private end(): void {
    this.state = "off";
    this.timer?.cancel();
  }

  private look(): void {
    const { namespace, clock } = this.options;
    this.lookedMs = clock.monotonicMs();
    this.total = namespace.statistics().blocks;
    if (this.total === 0) return this.end();
    this.count(namespace.blocks(), 0);
  }

  private count(blocks: Iterator<StoredBlock>, missing: number): void {
    const { locations, clock } = this.options;
    let gone = missing;
    for (let looked = 0; looked < BLOCKS_PER_TURN; looked++) {
      const next = blocks.next();
      if (next.done === true) return this.counted(gone);
      const { length, coding } = next.value;
      if (length === 0) continue;
      const canBeRead =
        coding === undefined ? isThere(next.value, locations) : isReadable(next.value, coding, locations);
      if (!canBeRead) gone++;
    }
    this.timer = clock.setTimer(0, () => this.count(blocks, gone));
  }

  private counted(missing: number): void {
    const { share, clock } = this.options;
    this.missing = missing;
    if (this.total - missing < Math.ceil(this.total * share)) {
      const tookMs = clock.monotonicMs() - this.lookedMs;
      this.timer = clock.setTimer(Math.max(LOOK_MS, REST * tookMs), () => this.look());
      return;
    }
    this.state = "extended";
    this.extendedMs = clock.monotonicMs();
    this.extend();
  }

  private extend(): void {
    const { extensionMs, clock, allReported } = this.options;
    const isOver = clock.monotonicMs() - this.extendedMs >= extensionMs;
    if (isOver || allReported()) return this.end();
    this.timer = clock.setTimer(Math.min(LOOK_MS, extensionMs), () => this.extend());
  }
}
