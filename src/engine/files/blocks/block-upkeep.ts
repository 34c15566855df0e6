/**
 * What a namespace node does about blocks: keeps who holds what, and, while it leads, sees to it that every block has as many
 * good replicas as it should, that what no file names goes, and that blocks whose writers are gone are recovered.
 *
 * Nothing is removed on stale knowledge. A block that no file names goes only after a barrier that began after its replica was
 * heard of. A good replica too many goes only when every holder has heard this leader's term, so that no order of an earlier
 * leader can still remove another one; and what was done under earlier terms was told before.
 */
import type { Random, NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import type { NamespaceObserver, NamespaceQueries, StoredBlock } from "../namespace/queries.ts";
import { GroupUpkeep, isGroup, isGroupPlan, replicaLength } from "../erasure/group-upkeep.ts";
import type { Movable } from "./balancer.ts";
import { planBalance } from "./balancer.ts";
import type { BlockLink } from "./block-link.ts";
import type { Outcome } from "./block-store.ts";
import { choosePlacement, roomToCopy } from "./choose-placement.ts";
import { CrowdedBlocks } from "./crowded-blocks.ts";
import { LocationTable } from "./location-table.ts";
import type { BlockNode } from "./locations.ts";
import { DEAD_AFTER_MS } from "./locations.ts";
import type { BalanceMoves, RecoveryReport } from "./protocol.ts";
import { OrderedCopies } from "./ordered-copies.ts";
import { RecentChanges } from "./recent-changes.ts";
import { RecoveryOrders } from "./recovery-orders.ts";
import type { RepairPlan } from "./repair-plan.ts";
import { planRepair } from "./repair-plan.ts";

export interface BlockUpkeepOptions {
  readonly namespace: Pick<NamespaceQueries, "block" | "blocks" | "nextBlockId" | "openFiles">;
  /** The term in which this node leads the namespace's group; undefined: it does not. */
  readonly leading: () => number | undefined;
  /** Calls back when everything is applied that was committed when it was called, and this node led meanwhile. */
  readonly barrier: (done: Outcome) => void;
  /** Puts `finishRecovery` into the log. */
  readonly finishRecovery: (report: RecoveryReport) => void;
  /** Who may report, and be told: the members. Default: all. */
  readonly isMember?: (node: NodeId) => boolean;
  /** Safe mode: nothing is repaired, moved or removed. Default: never. */
  readonly paused?: () => boolean;
  readonly random: Random;
  /** Where a node's HTTP server is. */
  readonly address: (node: NodeId) => string | undefined;
  /** What the log says of a node, silent ones too. Default: as each says of itself. */
  readonly standing?: (node: NodeId) => BlockNode["standing"];
  /** Bytes a second of one copy. Default 32 MiB. */
  readonly copyBandwidth?: number;
}

const TICK_MS = 500;
/** While many blocks wait to be looked at. */
const BUSY_TICK_MS = 50;
/** Blocks that are looked at in one tick. */
const BLOCKS_PER_TICK = 2_000;
/** A block is left alone for so long after a change: the log and the reports of its nodes come by different ways. */
const SETTLE_MS = 1_000;
/** A removal that was ordered is expected to be reported by then. */
const REMOVAL_PATIENCE_MS = 4_000;

export class BlockUpkeep {
  readonly locations: LocationTable;
  readonly observer: Pick<NamespaceObserver, "blockChanged" | "blockRemoved" | "replaced">;
  readonly recent: RecentChanges;
  private readonly link: BlockLink;
  private readonly options: BlockUpkeepOptions;
  private readonly bandwidth: number;
  private readonly groups: GroupUpkeep;
  /** Blocks to look at, and since when. */
  private readonly dirty = new Map<BlockId, number>();
  private readonly crowded = new CrowdedBlocks();
  private readonly copies: OrderedCopies;
  private readonly recoveries: RecoveryOrders;
  private readonly standings = new Map<NodeId, string>();
  private readonly beganMs: number;
  private term: number | undefined;
  /** Many blocks to look at, of which some are taken at a time: those of a node that has gone, all at a new term. */
  private readonly unseen: Iterator<BlockId>[] = [];
  private removing = false;
  private timer: Timer | undefined;

  constructor(link: BlockLink, options: BlockUpkeepOptions) {
    this.link = link;
    this.options = options;
    this.bandwidth = options.copyBandwidth ?? 32 * 1024 * 1024;
    this.copies = new OrderedCopies(this.bandwidth);
    this.beganMs = link.clock.monotonicMs();
    this.locations = new LocationTable(
      () => link.clock.monotonicMs(),
      options.address,
      { changed: (block) => this.mark(block), restarted: (node) => this.expectNothing(node) },
      options.standing,
      (node) => link.isAway(node),
    );
    this.groups = new GroupUpkeep({
      locations: this.locations,
      random: options.random,
      pending: (id) => this.pending(id),
      busy: () => this.copies.busy(),
      failedAt: (id) => this.copies.failedAt(id),
      withRoom: (nodes) => this.copies.withRoom(nodes),
      order: (to, id, bytes, frame) => {
        const { term, bandwidth } = this;
        this.copies.add(id, to, bytes, link.clock.monotonicMs());
        if (term !== undefined) link.send(to, { ...frame, term, bandwidth });
      },
    });
    const { groups, locations } = this;
    this.recoveries = new RecoveryOrders(link, { ...options, groups, locations });
    this.recent = new RecentChanges(() => link.clock.monotonicMs());
    this.observer = {
      blockChanged: ({ id }) => {
        this.recent.note(id);
        this.mark(id);
      },
      blockRemoved: (id, numbers) => {
        for (let number = id; number < id + numbers; number++) this.mark(number);
      },
      replaced: () => this.lookAtAll(),
    };
    link.on("heartbeat", (from, frame) => {
      if (!this.isMember(from)) return;
      const isCurrent = this.locations.onHeartbeat(from, frame, link.clock.monotonicMs());
      if (!isCurrent) link.send(from, { type: "reportWanted" });
    });
    link.on("report", (from, frame) => {
      if (!this.isMember(from)) return;
      const isCurrent = this.locations.onReport(from, frame, link.clock.monotonicMs());
      if (!isCurrent) link.send(from, { type: "reportWanted" });
    });
    link.on("damaged", (_, { block, stamp, node }) => {
      this.locations.onDamage(block, node, stamp);
      const term = options.leading();
      if (term !== undefined) link.send(node, { type: "verify", term, block });
    });
    link.on("notMade", (from, { term, block }) => {
      const isWaitedFor = term === this.term && this.copies.fail(block, from, link.clock.monotonicMs());
      if (isWaitedFor) this.mark(block);
    });
    link.on("recovered", (_, report) => {
      if (options.leading() !== undefined) options.finishRecovery(report);
    });
    link.on("balance", (from, { stream, maxBytes, threshold }) => {
      const moves = this.balance(maxBytes, threshold);
      link.send(from, { type: "balanced", stream, moves });
    });
    this.timer = link.clock.setTimer(TICK_MS, () => this.tick());
  }

  close(): void {
    this.timer?.cancel();
  }

  /** What is wrong with a block, and what is being done; undefined when no file names it. */
  situation(id: BlockId): RepairPlan | undefined {
    const block = this.options.namespace.block(id);
    if (block === undefined) return undefined;
    if (isGroup(block)) {
      return this.groups.plan(block, this.nodes(), this.options.leading() !== undefined);
    }
    // Who does not lead has ordered no copies, and sees them by what is being written.
    const written = this.locations
      .all(id)
      .filter(({ state, stamp }) => state === "writing" && stamp >= block.stamp)
      .map(({ node }) => node);
    return this.plan(block, this.nodes(), written);
  }

  /**
   * Orders moves towards even use of the nodes, at most so many bytes, unless copies are under way. Undefined: this node does
   * not lead.
   */
  balance(maxBytes: number, threshold?: number): BalanceMoves | undefined {
    const term = this.options.leading();
    if (term === undefined) return undefined;
    const { namespace } = this.options;
    let [pending, pendingBytes] = [0, 0];
    for (const [id, copies] of this.copies.counts()) {
      const block = namespace.block(id);
      pending += copies;
      pendingBytes += copies * (block === undefined ? 0 : replicaLength(block, id));
    }
    if (pending > 0 || this.isPaused()) return { ordered: 0, orderedBytes: 0, pending, pendingBytes };
    const { locations, groups } = this;
    const blocksOf = function* (node: NodeId): Iterable<Movable> {
      for (const id of locations.blocksOf(node)) {
        const block = namespace.block(id);
        if (block === undefined || block.open) continue;
        // A node that holds another shard of the group gets none of it.
        const holders = isGroup(block) ? groups.holders(block) : locations.all(id).map((each) => each.node);
        yield { block: id, length: replicaLength(block, id), holders, group: block.id };
      }
    };
    const options = threshold === undefined ? { maxBytes } : { maxBytes, threshold };
    const moves = planBalance(locations.nodes(), blocksOf, options);
    for (const { block: id, to } of moves) {
      const block = namespace.block(id);
      if (block === undefined) continue;
      const from = locations.readable(id, block.stamp, to).map((each) => each.node);
      this.copy(term, { id, stamp: block.stamp, length: replicaLength(block, id) }, from, to);
    }
    const orderedBytes = moves.reduce((sum, { length }) => sum + length, 0);
    return { ordered: moves.length, orderedBytes, pending, pendingBytes };
  }

  /** Blocks of which something changed, that wait to be looked at. */
  get waiting(): number {
    return this.dirty.size;
  }

  private isMember(node: NodeId): boolean {
    return this.options.isMember?.(node) !== false;
  }

  private isPaused(): boolean {
    return this.options.paused?.() === true;
  }

  private tick(): void {
    this.lookAfter();
    const isBusy = !this.isPaused() && (this.unseen.length > 0 || this.dirty.size > BLOCKS_PER_TICK);
    this.timer = this.link.clock.setTimer(isBusy ? BUSY_TICK_MS : TICK_MS, () => this.tick());
  }

  private lookAfter(): void {
    this.recent.forget();
    const nowMs = this.link.clock.monotonicMs();
    const term = this.options.leading();
    for (const { id } of this.locations.nodes()) {
      if (this.isMember(id)) continue;
      this.locations.forget(id);
      this.expectNothing(id);
    }
    if (term !== this.term) {
      this.term = term;
      this.lookAtAll();
    }
    // At the start of a process nobody has reported yet: who is silent is only known after a while.
    if (term === undefined || nowMs - this.beganMs < DEAD_AFTER_MS) return;
    const nodes = this.nodes();
    for (const node of nodes.values()) this.noticeStanding(term, node);
    const spread = this.crowded.onNodes(nodes.values(), () => this.everyBlock());
    // That can wait longest.
    if (spread !== undefined) this.unseen.unshift(spread);
    for (const block of this.copies.forget(nowMs)) this.mark(block);
    if (!this.isPaused()) {
      this.lookOn();
      this.repair(term, nodes);
    }
    this.recoveries.order(term, nowMs, nodes);
  }

  /** Who does not lead has nothing to do about it, and looks at all blocks when he begins to. */
  private mark(block: BlockId, inMs = 0): void {
    if (this.term === undefined) return;
    if (!this.dirty.has(block)) this.dirty.set(block, this.link.clock.monotonicMs() + inMs);
  }

  private nodes(): Map<NodeId, BlockNode> {
    return new Map(this.locations.nodes().map((node) => [node.id, node]));
  }

  private noticeStanding(term: number, node: BlockNode): void {
    const standing = `${node.live}/${node.standing}`;
    if (this.standings.get(node.id) !== standing) {
      this.standings.set(node.id, standing);
      this.unseen.push(this.locations.blocksOf(node.id)[Symbol.iterator]());
      if (!node.live) this.expectNothing(node.id);
    }
    if (node.live && node.term < term) this.link.send(node.id, { type: "delete", term, blocks: [] });
  }

  /** What the node was told to make it will not make: it died, has forgotten it, or is no member. */
  private expectNothing(node: NodeId): void {
    for (const block of this.copies.dropNode(node)) this.mark(block);
  }

  /** Also forgets all that was ordered: who does not lead any more never hears what became of it. */
  private lookAtAll(): void {
    this.dirty.clear();
    this.unseen.length = 0;
    this.crowded.clear();
    this.standings.clear();
    this.copies.clear();
    this.recoveries.clear();
    if (this.term !== undefined) this.unseen.push(this.everyBlock());
  }

  /** Those of the namespace, of which perhaps nothing is reported, and those that are reported, which perhaps no file names. */
  private *everyBlock(): Generator<BlockId> {
    for (const { id } of this.options.namespace.blocks()) yield id;
    yield* this.locations.blocks();
  }

  /** A slice of the blocks to look at, those of what was noticed last first. */
  private lookOn(): void {
    for (let looked = 0; this.unseen.length > 0 && looked < BLOCKS_PER_TICK; looked++) {
      const next = this.unseen.at(-1)?.next();
      if (next === undefined || next.done === true) this.unseen.pop();
      else this.mark(next.value);
    }
  }

  private plan(
    block: StoredBlock,
    nodes: ReadonlyMap<NodeId, BlockNode>,
    written: readonly NodeId[] = [],
  ): RepairPlan {
    if (isGroup(block)) return this.groups.plan(block, nodes, true);
    const locations = this.locations.all(block.id);
    return planRepair({
      block,
      locations,
      nodes,
      pending: new Set([...this.pending(block.id), ...written]),
    });
  }

  /** Nodes that were told to make a replica of this number, and have not reported it. */
  private pending(id: BlockId): ReadonlySet<NodeId> {
    return this.copies.pending(id, (target) => {
      const stampNow = this.options.namespace.block(id)?.stamp ?? 0;
      return this.locations
        .all(id)
        .some(({ node, stamp, state }) => node === target && stamp >= stampNow && state === "finished");
    });
  }

  private repair(term: number, nodes: ReadonlyMap<NodeId, BlockNode>): void {
    const urgent: { block: StoredBlock; plan: RepairPlan }[] = [];
    const removable: BlockId[] = [];
    const nowMs = this.link.clock.monotonicMs();
    let looked = 0;
    for (const [id, sinceMs] of this.dirty) {
      if (looked++ >= BLOCKS_PER_TICK) break;
      if (nowMs - sinceMs < SETTLE_MS) continue;
      this.dirty.delete(id);
      const block = this.options.namespace.block(id);
      if (block === undefined) {
        this.crowded.note(id, false);
        if (this.locations.all(id).length > 0) removable.push(id);
        continue;
      }
      if (block.id !== id) {
        this.mark(block.id);
        continue;
      }
      const plan = this.plan(block, nodes);
      this.crowded.note(id, isGroupPlan(plan) && plan.crowded);
      if (plan.remove.length > 0) removable.push(id);
      if (plan.missing > 0) urgent.push({ block, plan });
    }
    urgent.sort((left, right) => left.plan.priority - right.plan.priority);
    for (const { block, plan } of urgent) {
      const isEnough =
        isGroup(block) && isGroupPlan(plan)
          ? this.groups.make(block, plan, nodes)
          : this.makeReplicas(term, block, plan, nodes);
      // Looked at again when there is room, or more nodes.
      if (!isEnough) this.mark(block.id);
    }
    if (removable.length > 0) this.removeAfterBarrier(term, removable);
  }

  private makeReplicas(
    term: number,
    block: StoredBlock,
    { missing, present, avoid, sources }: RepairPlan,
    nodes: ReadonlyMap<NodeId, BlockNode>,
  ): boolean {
    const exclude = [...this.copies.busy(), ...this.copies.failedAt(block.id), ...avoid];
    // A node that holds a bad one may take a good one in its place, when no other is there.
    const holders = this.locations.all(block.id).map(({ node }) => node);
    const ask = (without: ReadonlySet<NodeId>, replicas: number): readonly NodeId[] =>
      choosePlacement(
        this.copies.withRoom(nodes.values()),
        { replicas, roomBytes: roomToCopy(block.length), writer: undefined, exclude: without, present },
        () => this.options.random.float(),
      );
    const fresh = ask(new Set([...exclude, ...holders]), missing);
    const again = fresh.length < missing ? ask(new Set([...exclude, ...fresh]), missing - fresh.length) : [];
    const targets = [...fresh, ...again];
    for (const node of targets) this.copy(term, block, sources, node);
    return targets.length === missing;
  }

  private copy(
    term: number,
    { id, stamp, length }: Pick<StoredBlock, "id" | "stamp" | "length">,
    from: readonly NodeId[],
    to: NodeId,
  ): void {
    const { bandwidth } = this;
    this.copies.add(id, to, { length, readBytes: length }, this.link.clock.monotonicMs());
    this.link.send(to, { type: "replicate", term, block: id, stamp, length, from, bandwidth });
  }

  private removeAfterBarrier(term: number, blocks: readonly BlockId[]): void {
    if (this.removing) {
      for (const block of blocks) this.mark(block);
      return;
    }
    this.removing = true;
    this.options.barrier((error) => {
      this.removing = false;
      if (error !== undefined || this.options.leading() !== term) {
        for (const block of blocks) this.mark(block);
        return;
      }
      const nodes = this.nodes();
      const orders = new Map<NodeId, BlockId[]>();
      for (const id of blocks) {
        for (const [node, replica] of this.removals(id, term, nodes))
          orders.set(node, [...(orders.get(node) ?? []), replica]);
      }
      for (const [node, ids] of orders) {
        this.link.send(node, { type: "delete", term, blocks: ids });
        // An order may be lost, and the node's silence is no report: it is looked at again.
        for (const id of ids) this.mark(id, REMOVAL_PATIENCE_MS);
      }
    });
  }

  /** Nodes, and the numbers of the replicas that they are to remove. */
  private removals(
    id: BlockId,
    term: number,
    nodes: ReadonlyMap<NodeId, BlockNode>,
  ): readonly (readonly [NodeId, BlockId])[] {
    const { namespace } = this.options;
    const block = namespace.block(id);
    const here = this.locations.all(id).map(({ node }) => node);
    // A number that was never given would be a block of another cluster: it is left alone.
    if (block === undefined) return id < namespace.nextBlockId ? here.map((node) => [node, id]) : [];
    const plan = this.plan(block, nodes);
    const holders = isGroup(block) ? this.groups.holders(block) : here;
    const everyoneHeard = holders.every(
      (node) => nodes.get(node)?.live !== true || nodes.get(node)?.term === term,
    );
    if (isGroupPlan(plan)) {
      if (plan.surplus.length > 0 && !everyoneHeard) this.mark(id);
      const all = everyoneHeard ? [...plan.removals, ...plan.surplus] : plan.removals;
      return all.map(({ unit, node }) => [node, block.id + unit]);
    }
    if (plan.problem !== "over-replicated" || everyoneHeard) return plan.remove.map((node) => [node, id]);
    this.mark(id);
    return [];
  }
}
