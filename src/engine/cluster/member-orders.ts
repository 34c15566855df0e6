/**
 * Takes orders for changes of members at any node: carried out here when this node leads, otherwise passed to the leader over
 * the peer link, which strangers cannot use.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Clock, NodeId, Timer } from "../../runtime/world.ts";
import { decodeJson, encodeJson } from "./frames.ts";
import type { MemberChanges, MemberOrder, MemberOutcome } from "./member-changes.ts";
import { CHANGE_TIMEOUT_MS, DONE, MEMBER_ACTIONS } from "./member-changes.ts";

/** Longer than the leader takes, so that its answer comes first. */
const FORWARD_TIMEOUT_MS = CHANGE_TIMEOUT_MS + 2_000;
const WAITING_MAX = 16;
/** How often, and how many times, a node looks whether the leader that removed itself is gone. */
const WATCH_MS = 50;
const WATCH_TIMES = 100;

export interface OrderRoutes {
  readonly clock: Clock;
  /** Who leads, as far as this node knows; itself, perhaps. */
  leader(): NodeId | undefined;
  readonly self: NodeId;
  send(to: NodeId, kind: "order" | "outcome", content: Bytes): void;
  /** Gives leadership to whoever can take it. */
  handOver(): void;
  /** True when it is committed, as far as this node knows, that the node is no member. */
  isRemoved(id: NodeId): boolean;
}

interface Waiting {
  readonly leader: NodeId;
  readonly order: MemberOrder;
  readonly timer: Timer;
  readonly done: (outcome: MemberOutcome) => void;
}

export class MemberOrders {
  private readonly routes: OrderRoutes;
  private readonly changes: MemberChanges;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;

  constructor(routes: OrderRoutes, changes: MemberChanges) {
    this.routes = routes;
    this.changes = changes;
  }

  /** `done` is called once, within about half a minute. */
  give(order: MemberOrder, done: (outcome: MemberOutcome) => void): void {
    const leader = this.routes.leader();
    if (leader === undefined)
      return done({ outcome: "refused", message: "no leader: no majority can be reached" });
    if (leader === this.routes.self) return this.carryOut(order, done);
    if (this.waiting.size >= WAITING_MAX)
      return done({ outcome: "refused", message: "too many orders wait" });
    const id = this.nextId++;
    const timer = this.routes.clock.setTimer(FORWARD_TIMEOUT_MS, () => {
      this.finish(id, { outcome: "unknown", message: `${leader}, which led, did not answer` });
    });
    this.waiting.set(id, { leader, order, timer, done });
    this.routes.send(leader, "order", encodeJson({ id, ...order }));
  }

  /** A peer passes an order to this node, which leads, or did. */
  onOrder(from: NodeId, content: Bytes): void {
    const { id, action, node } = decodeJson(content) as Partial<MemberOrder> & { id?: unknown };
    const known = MEMBER_ACTIONS.find((each) => each === action);
    if (typeof id !== "number" || known === undefined || typeof node !== "string") {
      throw new QuorateError("PROTOCOL", "malformed order");
    }
    const answer = (outcome: MemberOutcome): void => {
      this.routes.send(from, "outcome", encodeJson({ id, ...outcome }));
    };
    if (this.routes.leader() === this.routes.self) return this.carryOut({ action: known, node }, answer);
    answer({ outcome: "refused", message: "the leadership is just changing: try again" });
  }

  /** A leader does not remove itself: it hands over, and asks its successor to. */
  private carryOut(order: MemberOrder, done: (outcome: MemberOutcome) => void): void {
    if (order.action !== "remove" || order.node !== this.routes.self)
      return this.changes.carryOut(order, done);
    const message = this.changes.refusal(order);
    if (message !== undefined) return done({ outcome: "refused", message });
    this.routes.handOver();
    this.giveToSuccessor(order, WATCH_TIMES, done);
  }

  private giveToSuccessor(order: MemberOrder, times: number, done: (outcome: MemberOutcome) => void): void {
    const leader = this.routes.leader();
    if (leader !== undefined && leader !== this.routes.self) return this.give(order, done);
    if (times === 0) {
      const message = `${this.routes.self} leads, and nobody could take over`;
      return done({ outcome: "refused", message });
    }
    this.routes.clock.setTimer(WATCH_MS, () => this.giveToSuccessor(order, times - 1, done));
  }

  onOutcome(from: NodeId, content: Bytes): void {
    const { id, outcome, message } = decodeJson(content) as Partial<MemberOutcome> & { id?: unknown };
    if (typeof id !== "number" || this.waiting.get(id)?.leader !== from) return;
    if (outcome !== "done" && outcome !== "refused" && outcome !== "unknown") {
      throw new QuorateError("PROTOCOL", "malformed outcome");
    }
    this.finish(id, { outcome, message: String(message) });
  }

  /**
   * What was passed to a leader that cannot be reached any more has an unknown outcome. Unless it was to remove somebody,
   * this node or that leader perhaps: that ends like this, and is known here soon.
   */
  linkLost(peer: NodeId): void {
    for (const [id, { leader, order }] of this.waiting) {
      if (leader !== peer) continue;
      if (order.action === "remove") this.watchRemoval(id, peer, order.node, WATCH_TIMES);
      else this.finish(id, lost(peer));
    }
  }

  private watchRemoval(id: number, leader: NodeId, node: NodeId, times: number): void {
    if (this.routes.isRemoved(node)) return this.finish(id, { outcome: "done", message: DONE.remove(node) });
    if (times === 0) return this.finish(id, lost(leader));
    if (this.waiting.has(id)) {
      this.routes.clock.setTimer(WATCH_MS, () => this.watchRemoval(id, leader, node, times - 1));
    }
  }

  stop(): void {
    for (const id of this.waiting.keys()) {
      this.finish(id, { outcome: "unknown", message: "this node is stopping" });
    }
  }

  private finish(id: number, outcome: MemberOutcome): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    waiting.timer.cancel();
    waiting.done(outcome);
  }
}

function lost(leader: NodeId): MemberOutcome {
  return { outcome: "unknown", message: `the link to ${leader}, which led, broke` };
}
