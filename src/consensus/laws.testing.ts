/** What must always hold of the cluster in `cluster.testing.ts`, whatever its algorithm: looked at as things happen. */
import type { Bytes } from "../runtime/bytes.ts";
import type { DurableWrite, Entry, Membership } from "./consensus.ts";
import { isNewcomer, lastOf, reaches, type Disk } from "./disk.testing.ts";
import type { ConsensusMessage, Protocol } from "./protocol.ts";
import { isQuorum } from "./quorum.ts";

export class Violation extends Error {}

export function require(condition: boolean, message: string): void {
  if (!condition) throw new Violation(message);
}

/** A node, as far as the laws look at it. */
export interface Subject {
  readonly id: string;
  disk: Disk;
  membership: Membership;
}

const LIMIT = 1 << 30;

export class Laws {
  private readonly protocol: Protocol;
  private readonly nodes: ReadonlyMap<string, Subject>;
  private readonly founders: number;
  /** Of Multi-Paxos: who accepted what in which ballot, and what that made chosen, known to a leader or not. */
  private readonly acceptors = new Map<string, Set<string>>();
  private readonly decrees = new Map<number, number>();

  constructor(protocol: Protocol, nodes: ReadonlyMap<string, Subject>, founders: number) {
    this.protocol = protocol;
    this.nodes = nodes;
    this.founders = founders;
  }

  /** A write reaches the disk. `fixed`: nobody but the founders ever votes. */
  stored({ id, disk }: Subject, write: DurableWrite, fixed: boolean): void {
    for (const entry of write.slots === true ? (write.entries ?? []) : []) {
      const kept = entry.term >= disk.term || entry.index <= (write.chosen ?? disk.chosen);
      require(kept, `${id} accepted ${entry.index} in a ballot below its promise`);
      if (fixed) this.noteAcceptance(id, entry);
    }
  }

  /** A value that a majority accepted in one ballot is chosen, whether anybody knows of it or not; and no other ever is. */
  private noteAcceptance(id: string, entry: Entry): void {
    const { index, term } = entry;
    const key = `${index}@${term}`;
    const acceptors = this.acceptors.get(key) ?? new Set();
    this.acceptors.set(key, acceptors.add(id));
    if (acceptors.size * 2 <= this.founders) return;
    const known = this.decrees.get(index) ?? valueOf(entry);
    require(known === valueOf(entry), `two values were chosen in slot ${index}`);
    this.decrees.set(index, known);
  }

  /** Durable before acknowledged: what a message vouches for is on the sender's disk when it leaves. */
  vouched(node: Subject, message: ConsensusMessage): void {
    const { disk } = node;
    const claim = this.protocol.claim(message);
    if (claim?.type === "log") {
      // An answer of an earlier term may have been overtaken by the next leader's write; it tells of what was before.
      const { term = 0 } = message as { readonly term?: number };
      require(disk.term > term || this.vouchedUpTo(disk, term) >= claim.upTo, "acknowledged before durable");
    }
    if (claim?.type === "vote") {
      const kept = disk.term > claim.term || (disk.term === claim.term && disk.votedFor !== undefined);
      require(kept, "voted before durable");
    }
  }

  /** How far the disk holds the leader's log: in Multi-Paxos what it accepted in that ballot, or knows to be chosen. */
  private vouchedUpTo(disk: Disk, ballot: number): number {
    if (this.protocol.entriesKeepTerm) return lastOf(disk).index;
    let whole = disk.snapshot?.meta.index ?? 0;
    for (const { index, term } of disk.entries) {
      if (index === whole + 1 && (term >= ballot || index <= disk.chosen)) whole = index;
    }
    return whole;
  }

  /** What a leader calls committed is on the disks of a quorum, as it is in its own log. */
  committed(node: Subject, entry: Entry, isKnown: boolean): void {
    const { index, term } = entry;
    const { entriesKeepTerm } = this.protocol;
    // What was chosen in an earlier ballot is so whoever holds it; it is checked where it is applied.
    if (!entriesKeepTerm && isKnown) return;
    // Since it was accepted, it may have been accepted again in a higher ballot, whose value must be the same.
    const isHeld = (other: Entry): boolean =>
      other.term === term || (!entriesKeepTerm && other.term > term && valueOf(other) === valueOf(entry));
    const held = (id: string): boolean => {
      const { disk } = this.nodes.get(id)!;
      // What a node lost it acknowledged before: until it is back, its vote speaks for it, or nobody votes in its name.
      const lost = disk.floor ?? (isNewcomer(disk) ? disk.forgot : undefined);
      return (
        (lost !== undefined && (entriesKeepTerm ? reaches(lost, { index, term }) : lost.index >= index)) ||
        (disk.snapshot?.meta.index ?? 0) >= index ||
        disk.entries.some((other) => other.index === index && isHeld(other))
      );
    };
    require(isQuorum(node.membership, held), `${node.id} committed ${index} without a quorum`);
    if (entriesKeepTerm) this.checkElections(node, index, held);
  }

  /** Nobody without it could win the votes of a quorum (Raft section 5.4.3). */
  private checkElections(node: Subject, index: number, held: (id: string) => boolean): void {
    for (const id of node.membership.voters) {
      const last = lastOf(this.nodes.get(id)!.disk);
      const wouldGet = (voter: string): boolean => {
        const { disk } = this.nodes.get(voter)!;
        if (isNewcomer(disk)) return false;
        return reaches(last, lastOf(disk)) && (disk.floor === undefined || reaches(last, disk.floor));
      };
      const safe = held(id) || !isQuorum(node.membership, wouldGet);
      require(safe, `${node.id} committed ${index}, and ${id} could still be elected without it`);
    }
  }
}

export function digestWith(digest: number, entry: Entry, withTerm: boolean): number {
  const term = withTerm ? entry.term : 0;
  let next = (Math.imul(digest, 31) + term * 7 + entry.kind.length) | 0;
  for (const byte of entry.payload) next = (Math.imul(next, 33) ^ byte) | 0;
  return next % LIMIT;
}

export function valueOf(entry: Entry): number {
  return digestWith(0, entry, false);
}

export function readDigest(bytes: Bytes): number {
  return Number(bytes.toString("latin1", 0, 20));
}
