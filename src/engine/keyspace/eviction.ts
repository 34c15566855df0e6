/**
 * Which keys go when memory runs out.
 *
 * The leader chooses ahead, from its own access stamps, and puts its victims into the log: from a little below the limit
 * on, so that the limit itself is rarely met. Where writes outrun it, a command that needs memory makes room when it is
 * applied, by rules that use nothing local: the key that was written longest ago among a few, or the one that expires next.
 */
import type { AccessClock } from "./access-clock.ts";
import { EVENT } from "./events.ts";
import { ENTRY_BYTES } from "./key-table.ts";
import type { Victim } from "./keyspace-command.ts";
import type { EvictionPolicy, KeyspaceSettings } from "./settings.ts";
import type { StoredDatabase } from "./stored-database.ts";

/** Victims in one command of the leader. */
const VICTIMS_LIMIT = 512;
/** Keys that one command may remove before it is carried out. */
const ROOM_LIMIT = 64;
/** The leader keeps this part of the limit free. */
const HEADROOM = 1 / 32;

interface Candidate extends Victim {
  readonly coldness: number;
  readonly bytes: number;
}

/** The leader's choice, or none when memory suffices or nothing may be evicted. */
export function chooseVictims(
  databases: readonly StoredDatabase[],
  settings: Readonly<KeyspaceSettings>,
  clock: AccessClock,
  units: number,
): readonly Victim[] {
  const { maxmemoryBytes, policy, samples } = settings;
  const used = usedBytesOf(databases);
  const excess = used - maxmemoryBytes * (1 - HEADROOM);
  if (maxmemoryBytes === 0 || policy === "noeviction" || excess <= 0) return [];
  const pool = new Pool(databases, policy);
  if (pool.size === 0) return [];
  const averageBytes = Math.max(1, used / databases.reduce((sum, database) => sum + database.size, 0));
  const wanted = Math.min(VICTIMS_LIMIT, Math.ceil(excess / averageBytes));
  const candidates = pool.sample(wanted, samples, clock, units);
  const victims: Victim[] = [];
  let freed = 0;
  for (const { database, key, version, bytes } of candidates) {
    if (freed >= excess || victims.length >= VICTIMS_LIMIT) break;
    victims.push({ database, key, version });
    freed += bytes;
  }
  return victims;
}

/**
 * Before a command that needs memory is applied: evicts if the policy allows; false when the command must be refused.
 * A function of the state and the seeded `random`. `evicted` is told of each key.
 */
export function makeRoom(
  databases: readonly StoredDatabase[],
  settings: Readonly<KeyspaceSettings>,
  random: () => number,
  evicted: () => void,
): boolean {
  const { maxmemoryBytes, policy, samples } = settings;
  // A limit below any entry is one that the smallest Redis exceeds: nothing is let in.
  const fits = (): boolean => maxmemoryBytes >= ENTRY_BYTES && usedBytesOf(databases) <= maxmemoryBytes;
  if (maxmemoryBytes === 0 || fits()) return true;
  if (policy === "noeviction") return false;
  for (let count = 0; count < ROOM_LIMIT; count++) {
    const key = policy.startsWith("volatile")
      ? nextToExpire(databases)
      : oldestWritten(databases, samples, random);
    if (key === undefined) return false;
    key.database.delete(key.key);
    key.database.notify(EVENT.evicted, "evicted", key.key);
    evicted();
    if (fits()) break;
  }
  return true;
}

export function usedBytesOf(databases: readonly StoredDatabase[]): number {
  let bytes = 0;
  for (const database of databases) bytes += database.table.bytes;
  return bytes;
}

interface Chosen {
  readonly database: StoredDatabase;
  readonly key: string;
}

function nextToExpire(databases: readonly StoredDatabase[]): Chosen | undefined {
  let first: StoredDatabase | undefined;
  for (const database of databases) {
    const deadline = database.table.due.firstDeadline();
    if (deadline < (first?.table.due.firstDeadline() ?? Infinity)) first = database;
  }
  return first === undefined
    ? undefined
    : { database: first, key: first.table.keys[first.table.due.first()]! };
}

function oldestWritten(
  databases: readonly StoredDatabase[],
  samples: number,
  random: () => number,
): Chosen | undefined {
  const total = databases.reduce((sum, database) => sum + database.size, 0);
  let oldest: (Chosen & { version: number }) | undefined;
  for (let tries = 0; total > 0 && tries < samples; tries++) {
    const { database, position } = locate(databases, Math.floor(random() * total), (each) => each.size);
    const version = database.table.versionAt(position);
    if (oldest === undefined || version < oldest.version) {
      oldest = { database, key: database.table.keys[position]!, version };
    }
  }
  return oldest;
}

/** The database, and the position in it, of one of all positions of all databases. */
function locate(
  databases: readonly StoredDatabase[],
  overall: number,
  sizeOf: (database: StoredDatabase) => number,
): { database: StoredDatabase; position: number } {
  let position = overall;
  for (const database of databases) {
    const size = sizeOf(database);
    if (position < size) return { database, position };
    position -= size;
  }
  throw new RangeError("position beyond all databases");
}

/** The keys that a policy lets go, at the leader. */
class Pool {
  readonly size: number;
  private readonly databases: readonly StoredDatabase[];
  private readonly policy: EvictionPolicy;
  private readonly volatile: boolean;

  constructor(databases: readonly StoredDatabase[], policy: EvictionPolicy) {
    this.databases = databases;
    this.policy = policy;
    this.volatile = policy.startsWith("volatile");
    this.size = databases.reduce((sum, database) => sum + this.sizeOf(database), 0);
  }

  /** About `wanted` times `samples` keys looked at, best victims first. */
  sample(wanted: number, samples: number, clock: AccessClock, units: number): readonly Candidate[] {
    const found = new Map<string, Candidate>();
    const looks = Math.min(wanted * (this.policy.endsWith("random") ? 1 : samples), this.size * 2);
    for (let look = 0; look < looks; look++) {
      const overall = this.policy === "volatile-ttl" ? look : Math.floor(clock.chance() * this.size);
      if (overall >= this.size) break;
      const { database, position } = locate(this.databases, overall, (each) => this.sizeOf(each));
      const slot = this.volatile ? database.table.due.at(position) : position;
      const candidate = this.candidate(database, slot, clock, units);
      found.set(`${database.index}:${candidate.key}`, candidate);
    }
    return [...found.values()].toSorted((left, right) => right.coldness - left.coldness);
  }

  private candidate(database: StoredDatabase, slot: number, clock: AccessClock, units: number): Candidate {
    const { table } = database;
    const coldness = this.policy.endsWith("random")
      ? 0
      : this.policy === "volatile-ttl"
        ? -table.due.deadlineOf(slot)
        : clock.coldness(table.accessAt(slot), units);
    const [key, version] = [table.keys[slot]!, table.versionAt(slot)];
    return { database: database.index, key, version, coldness, bytes: table.bytesAt(slot) };
  }

  private sizeOf(database: StoredDatabase): number {
    return this.volatile ? database.expiring : database.size;
  }
}
