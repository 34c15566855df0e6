/**
 * The keyspace's view of a node: what the servers of RESP and HTTP talk to. Its commands go into the log of group 0; what is
 * wrong comes back as a ReplyError, with the prefix that Redis clients know.
 */
import type { MembershipGoal } from "../../consensus/membership.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import type { QuorateError } from "../../runtime/errors.ts";
import { ERRORS, isQuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { SnapshotStatus } from "../group/snapshots.ts";
import type { StateMachine } from "../group/state-machine.ts";
import type { Reply } from "../keyspace/reply.ts";
import { ReplyError } from "../keyspace/reply.ts";
import type { GroupOptions, HostedGroup } from "./hosted-group.ts";
import type { GroupBarrier, LocalNode, MemberView, NodeStatus } from "./local-node.ts";
import type { ClusterNode } from "./node.ts";

export class KeyspaceNode<
  Command,
  Machine extends StateMachine<Command, Reply>,
  Message = unknown,
> implements LocalNode<Command, Machine> {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly machine: Machine;
  readonly commandMaxBytes: number;
  /** The node itself, with whatever else it hosts. */
  readonly cluster: ClusterNode;
  private readonly group: HostedGroup<Command, Reply, Machine, Message>;

  /** Makes the keyspace the first group of the node. */
  constructor(cluster: ClusterNode, options: GroupOptions<Command, Reply, Machine, Message>) {
    this.id = cluster.id;
    this.clusterId = cluster.clusterId;
    this.cluster = cluster;
    this.machine = options.machine;
    this.commandMaxBytes = options.tuning.commandMaxBytes;
    this.group = cluster.hostGroup(options);
  }

  write(command: Command, encoded: Bytes, done: (reply: Reply) => void): void {
    this.group.propose(command, encoded, (reply, error) => {
      done(error === undefined ? (reply as Reply) : replyErrorOf(error));
    });
  }

  barrier(done: (error: ReplyError | undefined) => void): void {
    this.group.barrier((error) => done(error === undefined ? undefined : replyErrorOf(error)));
  }

  furtherBarriers(): readonly GroupBarrier[] {
    return this.cluster.furtherBarriers();
  }

  readStillValid(): boolean {
    return this.group.readStillValid();
  }

  logTimeMs(): number {
    return this.group.logTimeMs();
  }

  congested(): boolean {
    return this.group.congested();
  }

  onDrain(callback: () => void): void {
    this.group.onDrain(callback);
  }

  publish(channel: string, message: string, done: (receivers: number) => void): void {
    this.cluster.publish(channel, message, done);
  }

  onPublish(deliver: (channel: string, message: string) => number): void {
    this.cluster.onPublish(deliver);
  }

  saveSnapshot(done: (error: ReplyError | undefined) => void): void {
    this.group.saveSnapshot((error) => {
      if (error === undefined) return done(undefined);
      done(isQuorateError(error) ? replyErrorOf(error) : new ReplyError(`ERR ${error.message}`));
    });
  }

  snapshotStatus(): SnapshotStatus {
    return this.group.snapshotStatus();
  }

  /** Of the keyspace's group alone. */
  transferLeadership(to?: NodeId): void {
    this.group.transferLeadership(to);
  }

  changeMembership(next: MembershipGoal, done: (refused: string | undefined) => void): void {
    this.group.changeMembership(next, done);
  }

  status(): NodeStatus {
    return this.cluster.status();
  }

  members(): readonly MemberView[] {
    return this.cluster.members();
  }

  strangers(): readonly MemberView[] {
    return this.cluster.strangers();
  }
}

function replyErrorOf(error: QuorateError): ReplyError {
  return new ReplyError(`${ERRORS[error.code].resp} ${error.message}`);
}
