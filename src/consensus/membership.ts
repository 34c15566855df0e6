/**
 * Who takes part in the log: encoding, history and the steps of a change.
 *
 * A membership is in force from the moment it is appended, committed or not (Raft section 6), so a truncation rolls it
 * back: the history keeps every membership that the log still holds.
 */
import type { Bytes } from "../runtime/bytes.ts";
import { assert, QuorateError } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import { ByteReader } from "../wire/byte-reader.ts";
import { ByteWriter } from "../wire/byte-writer.ts";
import type { Index, Membership, Seating, Term } from "./consensus.ts";

const FORMAT = 1;
/** The same, and identities after it. */
const FORMAT_WITH_IDENTITIES = 2;
/** The same, and the seating after it. */
const FORMAT_WITH_SEATING = 3;
/** How many members a cluster may have: their number is a byte in the log. */
export const MEMBERS_MAX = 255;

/** The payload of a `membership` entry. */
export function encodeMembership(membership: Membership): Bytes {
  const writer = new ByteWriter();
  writeMembership(writer, membership);
  return writer.take();
}

/** Throws QuorateError PROTOCOL on anything that `encodeMembership` did not write. */
export function decodeMembership(bytes: Bytes): Membership {
  const reader = new ByteReader(bytes);
  const membership = readMembership(reader);
  if (reader.remaining > 0) throw new QuorateError("PROTOCOL", "bytes after a membership");
  return membership;
}

export function writeMembership(writer: ByteWriter, membership: Membership): void {
  const identities = Object.entries(membership.identities ?? {});
  const { seating } = membership;
  const plain = identities.length === 0 ? FORMAT : FORMAT_WITH_IDENTITIES;
  writer.uint8(seating === undefined ? plain : FORMAT_WITH_SEATING);
  for (const ids of [membership.voters, membership.outgoing, membership.learners]) {
    writer.uint8(ids.length);
    for (const id of ids) writer.text(id);
  }
  const addresses = Object.entries(membership.addresses);
  writer.uint32(addresses.length);
  for (const [id, address] of addresses) writer.text(id).text(address);
  if (identities.length === 0 && seating === undefined) return;
  writer.uint32(identities.length);
  for (const [id, identity] of identities) writer.text(id).text(identity);
  if (seating === undefined) return;
  const seats = Object.entries(seating.seats);
  writer.uint53(seating.change).uint53(seating.nextSeat).uint32(seats.length);
  for (const [id, seat] of seats) writer.text(id).uint53(seat);
}

export function readMembership(reader: ByteReader): Membership {
  const format = reader.uint8();
  if (format < FORMAT || format > FORMAT_WITH_SEATING) {
    throw new QuorateError("PROTOCOL", "unknown format of a membership");
  }
  const voters = readIds(reader);
  const outgoing = readIds(reader);
  const learners = readIds(reader);
  const addresses = readTexts(reader);
  if (format === FORMAT) return { voters, outgoing, learners, addresses };
  const named = readTexts(reader);
  const identities = Object.keys(named).length === 0 ? {} : { identities: named };
  const plain = { voters, outgoing, learners, addresses, ...identities };
  return format === FORMAT_WITH_IDENTITIES ? plain : { ...plain, seating: readSeating(reader) };
}

function readSeating(reader: ByteReader): Seating {
  const change = reader.uint53();
  const nextSeat = reader.uint53();
  const seats: [NodeId, number][] = [];
  for (let count = readCount(reader); count > 0; count -= 1) seats.push([reader.text(), reader.uint53()]);
  const given = seats.map(([, seat]) => seat);
  const wrong = given.some((seat) => seat === 0 || seat >= nextSeat) || new Set(given).size !== given.length;
  if (wrong) throw new QuorateError("PROTOCOL", "members share a seat, or have one that was never given");
  return { change, nextSeat, seats: Object.fromEntries(seats) };
}

function readCount(reader: ByteReader): number {
  const count = reader.uint32();
  if (count > 3 * MEMBERS_MAX) throw new QuorateError("PROTOCOL", "too many names in a membership");
  return count;
}

function readTexts(reader: ByteReader): Readonly<Record<NodeId, string>> {
  const texts: [NodeId, string][] = [];
  for (let count = readCount(reader); count > 0; count -= 1) texts.push([reader.text(), reader.text()]);
  return Object.fromEntries(texts);
}

function readIds(reader: ByteReader): NodeId[] {
  const ids: NodeId[] = [];
  for (let count = reader.uint8(); count > 0; count -= 1) ids.push(reader.text());
  if (new Set(ids).size !== ids.length) throw new QuorateError("PROTOCOL", "a member is named twice");
  return ids;
}

/** Everyone in a membership, once each. */
export function members(membership: Membership): NodeId[] {
  return [...new Set([...membership.voters, ...membership.outgoing, ...membership.learners])];
}

/** True when a membership means this life of `id`: explicitly, or as the founder of that name. */
export function isMeant(membership: Membership, id: NodeId, identity: string | undefined): boolean {
  const meant = membership.identities?.[id];
  return meant === undefined || meant === identity;
}

/** What a change aims at. */
export type MembershipGoal = Pick<Membership, "voters" | "learners" | "addresses" | "identities">;

/** Why a goal cannot be a membership, or undefined. */
export function refuseGoal(goal: MembershipGoal): string | undefined {
  if (goal.voters.length === 0) return "a cluster needs at least one voter";
  const named = [...goal.voters, ...goal.learners];
  if (named.length > MEMBERS_MAX) return `at most ${MEMBERS_MAX} members`;
  if (new Set(named).size !== named.length) return "a member is named twice";
  const unknown = named.find((id) => !goal.addresses[id]);
  return unknown === undefined ? undefined : `no address for ${unknown}`;
}

/** First step: the newcomers receive the log and count in no quorum. */
export function withLearners(now: Membership, goal: MembershipGoal): Membership {
  const learners = [...goal.voters, ...goal.learners, ...now.learners].filter(
    (id, at, all) => !now.voters.includes(id) && all.indexOf(id) === at,
  );
  const named = [...now.voters, ...learners];
  return {
    ...now,
    learners,
    addresses: addressesOf(named, now, goal),
    ...identitiesOf(named, now, goal),
  };
}

/** Second step: decisions need a majority of the new voters and one of the old. */
export function enterJoint(now: Membership, goal: MembershipGoal): Membership {
  const { voters, learners } = goal;
  const outgoing = sameSet(voters, now.voters) ? [] : now.voters;
  return {
    voters,
    outgoing,
    learners,
    addresses: addressesOf([...voters, ...outgoing, ...learners], now, goal),
    // Those of the newcomers are in force since they learn.
    ...identitiesOf([...voters, ...outgoing, ...learners], now, now),
  };
}

/** Last step: the new voters alone. Needs nothing but the joint membership, so that any leader can take it. */
export function leaveJoint(joint: Membership): Membership {
  const { voters, learners } = joint;
  const named = [...voters, ...learners];
  return {
    voters,
    outgoing: [],
    learners,
    addresses: addressesOf(named, joint, joint),
    ...identitiesOf(named, joint, joint),
  };
}

export function sameMembership(left: Membership, right: Membership): boolean {
  const all = members(left);
  return (
    sameSet(left.voters, right.voters) &&
    sameSet(left.outgoing, right.outgoing) &&
    sameSet(left.learners, right.learners) &&
    all.every((id) => left.addresses[id] === right.addresses[id]) &&
    all.every((id) => left.identities?.[id] === right.identities?.[id])
  );
}

/** True when `next` may take the place of `now` (`Membership.seating`): it was proposed as the change after that one. */
export function isSuccessor(now: Membership, next: Membership): boolean {
  return next.seating === undefined || next.seating.change === (now.seating?.change ?? 0) + 1;
}

function sameSet(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((id) => right.includes(id));
}

function addressesOf(
  ids: readonly NodeId[],
  now: Membership,
  goal: MembershipGoal,
): Readonly<Record<NodeId, string>> {
  const known = ids.map((id) => [id, goal.addresses[id] ?? now.addresses[id] ?? ""] as const);
  return Object.fromEntries(known.filter(([, address]) => address !== ""));
}

function identitiesOf(
  ids: readonly NodeId[],
  now: Membership,
  goal: MembershipGoal,
): Pick<Membership, "identities"> {
  const known = ids.map((id) => [id, goal.identities?.[id] ?? now.identities?.[id] ?? ""] as const);
  const given = known.filter(([, identity]) => identity !== "");
  return given.length === 0 ? {} : { identities: Object.fromEntries(given) };
}

export interface Configuration {
  /** Where the log names it; 0 or the snapshot's index for the oldest one. */
  readonly index: Index;
  readonly term: Term;
  readonly membership: Membership;
}

/** The memberships that the log holds, oldest first. Invariant: never empty; the last one is in force. */
export class MembershipHistory {
  private configurations: Configuration[];

  constructor(base: Configuration) {
    this.configurations = [base];
  }

  get latest(): Configuration {
    return this.configurations[this.configurations.length - 1]!;
  }

  append(configuration: Configuration): void {
    assert(configuration.index > this.latest.index, "a membership was appended below the latest");
    this.configurations.push(configuration);
  }

  /** The log lost `index` and what follows; true when that brought an older membership back into force. */
  truncateFrom(index: Index): boolean {
    const before = this.configurations.length;
    while (this.configurations.length > 1 && this.latest.index >= index) this.configurations.pop();
    return this.configurations.length < before;
  }

  /** The membership in force at `index`. */
  at(index: Index): Membership {
    return (this.configurations.findLast((c) => c.index <= index) ?? this.configurations[0]!).membership;
  }

  /** True when one of them is such. */
  some(isSuch: (membership: Membership) => boolean): boolean {
    return this.configurations.some(({ membership }) => isSuch(membership));
  }

  /** Entries up to `index` are compacted: only the last membership among them matters. */
  compactTo(index: Index): void {
    const keep = this.configurations.findLastIndex((c) => c.index <= index);
    if (keep > 0) this.configurations.splice(0, keep);
  }

  /** A snapshot replaced the log up to `base`; what was behind that stays. */
  startAfter(base: Configuration): void {
    this.configurations = [base, ...this.configurations.filter(({ index }) => index > base.index)];
  }

  /** A snapshot replaced the log. */
  reset(base: Configuration): void {
    this.configurations = [base];
  }
}
