/** The one log of the cluster: what any node took for committed is so for all, for ever, and rests on a majority's disks. */
import type { Consensus, Entry, Index, Membership, Term } from "../../consensus/consensus.ts";
import type { Protocol } from "../../consensus/protocol.ts";
import type { NodeId } from "../../runtime/world.ts";
import { crc32 } from "node:zlib";
import type { Durability } from "./durability.ts";

/** An entry that a node took for committed. */
interface Chosen {
  readonly term: Term;
  readonly checksum: number;
  readonly kind: Entry["kind"];
  /** The term in which it was first seen committed. */
  readonly committedInTerm: Term;
  /** In force from here on. */
  readonly members: string;
}

export class CommittedLog {
  /** The highest index that any node took for committed. */
  highestIndex: Index = 0;
  private readonly fail: (what: string) => void;
  private readonly protocol: Protocol;
  private readonly durability: Durability;
  private readonly chosen = new Map<Index, Chosen>();

  constructor(fail: (what: string) => void, protocol: Protocol, durability: Durability) {
    this.fail = fail;
    this.protocol = protocol;
    this.durability = durability;
  }

  /** The node takes the entry at `index` for committed. */
  committed<Message>(node: NodeId, index: Index, core: Consensus<Message>): void {
    this.highestIndex = Math.max(this.highestIndex, index);
    const entry = core.entry(index);
    if (entry === undefined) return; // Known by a snapshot.
    const known = this.chosen.get(index);
    const checksum = crc32(entry.payload);
    const members = describeMembers(core.membershipAt(index));
    // Below its snapshot a node does not know any more where each membership began.
    const isAlike =
      known === undefined || known.members === members || index <= this.durability.snapshotIndex(node);
    if (!isAlike)
      this.fail(`${node} has the members ${members} at ${index}, where others have ${known?.members}`);
    if (known === undefined) {
      const status = core.status(0);
      const { kind, term } = entry;
      this.chosen.set(index, { term, checksum, kind, committedInTerm: status.term, members });
      this.checkDurableFirst(node, entry, [status.membership, core.membershipAt(index)]);
    } else if (!this.isChosen(entry, known)) {
      this.fail(
        `${node} took another entry for committed at ${index}: ` +
          `term ${entry.term} ${entry.kind} instead of term ${known.term} ${known.kind}`,
      );
    }
  }

  /** The node has begun to lead the term: it must hold all that earlier terms committed. */
  checkComplete<Message>(node: NodeId, term: Term, core: Consensus<Message>): void {
    const { firstIndex, lastIndex } = core.status(0);
    for (const [index, chosen] of this.chosen) {
      if (index < firstIndex || chosen.committedInTerm >= term) continue;
      const entry = index > lastIndex ? undefined : core.entry(index);
      if (entry === undefined || !this.isChosen(entry, chosen)) {
        this.fail(
          `${node} leads term ${term} with ${entry === undefined ? "nothing" : `an entry of term ${entry.term}`} ` +
            `at ${index}, where an entry of term ${chosen.term} was committed in term ${chosen.committedInTerm}`,
        );
        return;
      }
    }
  }

  /** The node, which leads, takes everything up to `upTo` for committed. */
  checkOwnTerm<Message>(node: NodeId, upTo: Index, core: Consensus<Message>): void {
    const { role, term } = core.status(0);
    const entry = core.entry(upTo);
    if (role !== "leader" || entry === undefined || entry.term === term) return;
    if (!this.protocol.entriesKeepTerm) return;
    this.fail(`${node}, leader of term ${term}, committed up to ${upTo}, an entry of term ${entry.term}`);
  }

  /** `memberships`: that of now and, since acknowledgements may have come before a change, that of the entry itself. */
  private checkDurableFirst(node: NodeId, entry: Entry, memberships: readonly Membership[]): void {
    const vouches = (voter: NodeId): boolean => this.durability.vouches(voter, entry);
    const majority = (voters: readonly NodeId[]): boolean =>
      voters.length === 0 || voters.filter(vouches).length * 2 > voters.length;
    if (memberships.some(({ voters, outgoing }) => majority(voters) && majority(outgoing))) return;
    const voters = memberships[0]?.voters ?? [];
    this.fail(
      `${node} committed entry ${entry.index} of term ${entry.term}, which is durable only at ` +
        `[${voters.filter(vouches).join()}] of the voters [${voters.join()}]`,
    );
  }

  /** Whether this is the entry that was chosen for its place. */
  private isChosen(entry: Entry, chosen: Chosen): boolean {
    if (this.protocol.entriesKeepTerm && entry.term !== chosen.term) return false;
    return entry.kind === chosen.kind && crc32(entry.payload) === chosen.checksum;
  }
}

function describeMembers({ voters, outgoing, learners }: Membership): string {
  return [voters, outgoing, learners].map((ids) => ids.join()).join("/");
}
