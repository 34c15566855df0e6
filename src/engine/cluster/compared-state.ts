/**
 * What a group's replica finds when it compares its state with its peers' (`state-comparison.ts`), and what follows. One that
 * is outvoted stays so: its state does not get better.
 */
import type { Membership } from "../../consensus/consensus.ts";
import { members } from "../../consensus/membership.ts";
import type { Logger, NodeId } from "../../runtime/world.ts";
import type { GroupId } from "../group/write-ahead-log/frame.ts";
import type { Greeting } from "./frames.ts";
import type { DigestPoint } from "./state-comparison.ts";
import { StateComparison } from "./state-comparison.ts";

export interface ComparedReplica {
  readonly node: NodeId;
  readonly group: GroupId;
  /** How the group is called in words; undefined: the node's state is meant, without another word. */
  readonly name: string | undefined;
  readonly logger: Logger;
  /** The digest of the state of this moment. */
  current(): DigestPoint;
  /** A majority has another state: this replica must serve nobody any more. Called once. */
  onOutvoted(): void;
}

export class ComparedState {
  private readonly replica: ComparedReplica;
  private readonly states = new StateComparison();
  private found: string | undefined;
  private lost = false;

  constructor(replica: ComparedReplica) {
    this.replica = replica;
  }

  /** What differs, in words; undefined while all agree. */
  get diverged(): string | undefined {
    return this.found;
  }

  /** Why this replica is wrong, for good: a majority agrees on another state. */
  get outvoted(): string | undefined {
    return this.lost ? this.found : undefined;
  }

  /** The state after an entry, as every replica notes it. */
  note(point: DigestPoint): void {
    this.states.note(...point);
  }

  /** What peers are told: the states of the last seconds, and the present one. */
  points(): readonly DigestPoint[] {
    return [...this.states.points, this.replica.current()];
  }

  /** What a peer says of itself; a newcomer's state is no member's. */
  heard(from: NodeId, greeting: Greeting): void {
    const { group } = this.replica;
    const row = group === 0 ? greeting : greeting.groups?.find(({ id }) => id === group);
    if (greeting.newcomer === true || row === undefined) this.states.forget(from);
    else this.states.heard(from, row.digests ?? []);
  }

  membersChanged(membership: Membership): void {
    this.states.keepOnly(members(membership));
  }

  compare(voters: readonly NodeId[]): void {
    if (this.lost) return;
    const { node, group, name, logger } = this.replica;
    const found = this.states.compare(this.replica.current(), voters);
    const before = this.found;
    const state = name === undefined ? "the state" : `the state of ${name}`;
    this.found =
      found &&
      (found.outvoted
        ? `${state} of ${node} after entry ${found.index} is not that of a majority: it serves nobody any more`
        : `${state} of ${found.peers.join(" and ")} after entry ${found.index} is not that of ${node}`);
    if (found === undefined || (this.found === before && !found.outvoted)) return;
    const { index, peers, outvoted } = found;
    const which = group === 0 ? {} : { group };
    logger.log("error", "replicas diverged", { node, index, peers: peers.join(), outvoted, ...which });
    if (!outvoted) return;
    this.lost = true;
    this.replica.onOutvoted();
  }
}
