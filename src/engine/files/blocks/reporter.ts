/** Tells the nodes of the namespace what this node is and holds: a heartbeat each second, every change of a replica, all on request. */
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import type { BlockLink } from "./block-link.ts";
import type { BlockStore, Replica } from "./block-store.ts";
import type { BlockReport, Heartbeat } from "./protocol.ts";

export const HEARTBEAT_MS = 1_000;
/** Changes are gathered for so long. */
const GATHER_MS = 20;
/** Replicas of one frame. */
const PART_REPLICAS = 10_000;

export interface ReporterOptions {
  /** Another number in each life of the process. */
  readonly life: number;
  /** Path of the topology, such as "/rack1". */
  readonly rack: string;
  /** Those that keep the namespace, this node perhaps among them. */
  readonly namespaceNodes: () => readonly NodeId[];
  readonly standing: () => Heartbeat["standing"];
  /** Highest term of a leader that was heard. */
  readonly term: () => number;
  readonly load: () => { readonly writers: number; readonly readers: number };
}

export class Reporter {
  private readonly link: BlockLink;
  private readonly store: BlockStore;
  private readonly options: ReporterOptions;
  private reported = 0;
  private changed = new Map<BlockId, Replica | undefined>();
  private heartbeat: Timer | undefined;
  private gathering: Timer | undefined;
  private closed = false;

  constructor(link: BlockLink, store: BlockStore, options: ReporterOptions) {
    this.link = link;
    this.store = store;
    this.options = options;
    store.onChange((replica, id) => this.change(replica, id));
    link.on("reportWanted", (from) => this.reportAll(from));
    this.beat();
  }

  /** A heartbeat now, such as when the standing of the node changed. */
  beat(): void {
    if (this.closed) return;
    this.heartbeat?.cancel();
    // What was done under older terms is told before the new one is: so a leader that sees its term knows all of it.
    this.reportChanges();
    const { life, rack, standing, load, term, namespaceNodes } = this.options;
    const { reported } = this;
    const frame = {
      type: "heartbeat",
      life,
      reported,
      term: term(),
      ...this.store.space(),
      ...load(),
      rack,
      standing: standing(),
    } as const;
    for (const node of namespaceNodes()) this.link.send(node, frame);
    this.heartbeat = this.link.clock.setTimer(HEARTBEAT_MS, () => this.beat());
  }

  /** As if it had changed. */
  reportAgain(replica: Replica): void {
    this.change(replica, replica.id);
  }

  close(): void {
    this.closed = true;
    this.heartbeat?.cancel();
    this.gathering?.cancel();
  }

  private change(replica: Replica | undefined, id: BlockId): void {
    this.changed.set(id, replica);
    if (this.gathering !== undefined || this.closed) return;
    this.gathering = this.link.clock.setTimer(GATHER_MS, () => this.reportChanges());
  }

  private reportChanges(): void {
    this.gathering?.cancel();
    this.gathering = undefined;
    if (this.changed.size > 0) {
      const replicas = [...this.changed.values()].filter((each) => each !== undefined);
      const removed = [...this.changed].flatMap(([gone, each]) => (each === undefined ? [gone] : []));
      this.changed.clear();
      this.reported++;
      const report = this.report({ full: undefined, replicas, removed });
      for (const node of this.options.namespaceNodes()) this.link.send(node, report);
    }
  }

  private reportAll(to: NodeId): void {
    let replicas: Replica[] = [];
    let part = 0;
    const send = (last: boolean): void => {
      this.link.send(to, this.report({ full: { part, last }, replicas, removed: [] }));
      replicas = [];
      part++;
    };
    for (const replica of this.store.list()) {
      // Whether a part is the last one shows when another replica follows.
      if (replicas.length === PART_REPLICAS) send(false);
      replicas.push(replica);
    }
    send(true);
  }

  private report(content: Pick<BlockReport, "full" | "replicas" | "removed">): BlockReport {
    return { type: "report", life: this.options.life, sequence: this.reported, ...content };
  }
}
