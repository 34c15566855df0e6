/**
 * Files are written through nodes, under leases of their names. A node that died, or whose process is another one now, will not
 * go on with what went through it: the leader ends those leases at once instead of after the hard limit, so that the files are
 * closed at what is known to be written. A node that is only cut off learns that its lease is lost, and what it still sends to
 * replicas has an old stamp: as when any other writer takes a file over.
 */
import type { Clock, NodeId, Timer } from "../../../runtime/world.ts";
import type { LocationTable } from "../blocks/location-table.ts";
import { DEAD_AFTER_MS } from "../blocks/locations.ts";
import type { OpenFile } from "../namespace/model.ts";
import type { NamespaceLog } from "./namespace-log.ts";

const LOOK_MS = 500;
/** So many are ended by one command. */
const HOLDERS_MAX = 100;
/** A process is told from the one before it when its node was heard for so long, and just now, under another number. */
const OTHER_LIFE_MS = 3_000;
const JUST_NOW_MS = 1_500;

export interface GoneWritersOptions {
  readonly clock: Clock;
  readonly log: Pick<NamespaceLog, "tell"> & {
    readonly group: Pick<NamespaceLog["group"], "leading">;
    readonly machine: Pick<NamespaceLog["machine"], "openFiles">;
  };
  readonly locations: Pick<LocationTable, "lifeOf" | "nodes">;
  /** Safe mode: files stay as they are. */
  readonly paused: () => boolean;
}

/** The name of a writer: whose it is can be told from it. `life`: another number in each life of the node's process. */
export function holderName(node: NodeId, life: number, writer: number): string {
  return `${node}/${life}/${writer}`;
}

export class GoneWriters {
  private readonly options: GoneWritersOptions;
  /** Since when this node leads; undefined: it does not. */
  private leadsSinceMs: number | undefined;
  /** Holders of another process than their node's: since when that is so. */
  private readonly otherSinceMs = new Map<string, number>();
  private isAsking = false;
  /** How many were told of so far: it goes round, so that holders whose end is refused keep none of the others waiting. */
  private told = 0;
  private timer: Timer;

  constructor(options: GoneWritersOptions) {
    this.options = options;
    this.timer = options.clock.setTimer(LOOK_MS, () => this.look());
  }

  close(): void {
    this.timer.cancel();
  }

  private look(): void {
    const { clock, log, paused } = this.options;
    this.timer = clock.setTimer(LOOK_MS, () => this.look());
    const nowMs = clock.monotonicMs();
    if (log.group.leading() === undefined) {
      this.leadsSinceMs = undefined;
      this.otherSinceMs.clear();
      return;
    }
    this.leadsSinceMs ??= nowMs;
    if (this.isAsking || paused()) return;
    const { restarted, dead } = this.gone(nowMs);
    if (restarted.length > 0) this.end(restarted, 0);
    else if (dead.length > 0) this.end(dead, DEAD_AFTER_MS);
  }

  private end(holders: readonly string[], silentMs: number): void {
    this.isAsking = true;
    const from = this.told % holders.length;
    const some = [...holders.slice(from), ...holders.slice(0, from)].slice(0, HOLDERS_MAX);
    this.told += some.length;
    // What comes of it is seen at the next look.
    const command = { type: "endLeases", holders: some, silentMs } as const;
    this.options.log.tell(command, () => (this.isAsking = false));
  }

  private gone(nowMs: number): { readonly restarted: readonly string[]; readonly dead: readonly string[] } {
    const { log, locations } = this.options;
    const nodes = new Map(locations.nodes().map((node) => [node.id, node]));
    const [restarted, dead] = [new Set<string>(), new Set<string>()];
    const others = new Set<string>();
    for (const { holder } of log.machine.openFiles()) {
      const owner = ownerOf(holder);
      if (owner === undefined) continue;
      const node = nodes.get(owner.node);
      if (node?.live !== true) {
        // Who was never heard may only not have spoken yet.
        if (nowMs - (this.leadsSinceMs ?? nowMs) >= DEAD_AFTER_MS) dead.add(holder);
      } else if (locations.lifeOf(owner.node) !== owner.life) {
        // A new process may have taken a file before its first heartbeat is here.
        others.add(holder);
        const sinceMs = this.otherSinceMs.get(holder) ?? nowMs;
        this.otherSinceMs.set(holder, sinceMs);
        if (nowMs - sinceMs >= OTHER_LIFE_MS && node.silentMs < JUST_NOW_MS) restarted.add(holder);
      }
    }
    for (const holder of this.otherSinceMs.keys()) if (!others.has(holder)) this.otherSinceMs.delete(holder);
    return { restarted: [...restarted], dead: [...dead] };
  }
}

function ownerOf(holder: OpenFile["holder"]): { readonly node: NodeId; readonly life: number } | undefined {
  const [node, life, writer, ...more] = holder.split("/");
  if (node === undefined || life === undefined || writer === undefined || more.length > 0) return undefined;
  return { node, life: Number(life) };
}
