/** The database of `database.ts` over a key table: expiry by the log, types, versions, accesses. */
import { assert } from "../../runtime/errors.ts";
import { hashText } from "../../wire/digest.ts";
import type { AccessClock } from "./access-clock.ts";
import type { CollectionOf, CollectionType, Database } from "./database.ts";
import { EVENT, eventClassOf, type Notifications } from "./events.ts";
import { KeyCreations } from "./key-creations.ts";
import { KeyTable } from "./key-table.ts";
import { TICK_NEEDED, type Moment } from "./moment.ts";
import { WRONG_TYPE } from "./reply.ts";
import type { Collection, Value } from "./value.ts";

/** How many random slots are tried before RANDOMKEY looks at all of them for one that is not due. */
const RANDOM_TRIES = 64;

/** Counters of this replica since it started; not part of the state. */
export interface KeyCounters {
  expired: number;
  evicted: number;
  hits: number;
  misses: number;
}

export class StoredDatabase implements Database {
  readonly index: number;
  /** Exchanged whole by FLUSHDB and SWAPDB. */
  table: KeyTable;
  /** Stays when the table goes, because WATCH asks what happened to a database's keys, whichever tables held them. */
  creations: KeyCreations = new KeyCreations();
  private readonly moment: Moment;
  private readonly clock: AccessClock;
  private readonly counters: KeyCounters;
  private readonly notifications: Notifications;
  private readonly hashSecret: number;

  /** `hashSecret`: see `key-index.ts`. */
  constructor(
    index: number,
    moment: Moment,
    clock: AccessClock,
    counters: KeyCounters,
    notifications: Notifications,
    hashSecret: number,
  ) {
    this.index = index;
    this.hashSecret = hashSecret;
    this.table = new KeyTable(hashSecret);
    this.moment = moment;
    this.clock = clock;
    this.counters = counters;
    this.notifications = notifications;
  }

  get size(): number {
    return this.table.size;
  }

  get expiring(): number {
    return this.table.due.count;
  }

  get bytes(): number {
    return this.table.bytes;
  }

  read(key: string): Value | undefined {
    const slot = this.live(key);
    if (slot < 0) {
      this.counters.misses++;
      return undefined;
    }
    this.counters.hits++;
    const table = this.table;
    table.stampAccess(slot, this.clock.touched(table.accessAt(slot), this.moment.accessUnits));
    return table.values[slot];
  }

  readString(key: string): string | undefined {
    const value = this.read(key);
    if (value !== undefined && typeof value !== "string") throw WRONG_TYPE;
    return value;
  }

  readCollection<T extends CollectionType>(key: string, type: T): CollectionOf<T> | undefined {
    const value = this.read(key);
    if (value === undefined) return undefined;
    if (typeof value === "string" || value.type !== type) throw WRONG_TYPE;
    return value as CollectionOf<T>;
  }

  modify<T extends CollectionType>(key: string, type: T): CollectionOf<T> | undefined {
    this.assertWriting();
    const collection = this.readCollection(key, type);
    if (collection !== undefined) {
      this.table.observer?.beforeChange(this.table.find(key));
      this.moment.undo?.watch(collection, () => this.recount(key, collection));
    }
    return collection;
  }

  changed(key: string, event?: string): void {
    this.assertWriting();
    const slot = this.table.find(key);
    assert(slot >= 0, "changed: the key is there");
    const value = this.table.values[slot]!;
    assert(typeof value !== "string", "changed: the value is a collection");
    const version = ++this.moment.revision;
    if (event !== undefined) this.notify(eventClassOf(value), event, key);
    if (value.size === 0) {
      this.recordBefore(key, slot);
      this.table.remove(slot);
      if (event !== undefined) this.notify(EVENT.generic, "del", key);
    } else {
      this.table.account(slot, version);
      this.moment.audit.consider(version, value);
    }
  }

  set(
    key: string,
    value: Value,
    options?: { readonly expireAtMs?: number; readonly keepExpiry?: boolean },
  ): void {
    this.assertWriting();
    const table = this.table;
    const deadline = options?.expireAtMs ?? 0;
    if (options?.expireAtMs !== undefined && deadline <= this.moment.nowMs) {
      // As in Redis, where such a key is there until it is found to be due, an absent key has changed too.
      if (this.delete(key)) return;
      this.creations.note(hashText(0, key), ++this.moment.revision);
      return this.notify(EVENT.created, "new", key);
    }
    const version = ++this.moment.revision;
    const units = this.moment.accessUnits;
    const slot = this.live(key);
    this.recordBefore(key, slot);
    if (slot < 0) return this.create(key, value, version, deadline);
    const kept = options?.keepExpiry === true ? table.due.deadlineOf(slot) : deadline;
    table.replace(slot, value, version, kept);
    table.stampAccess(slot, this.clock.touched(table.accessAt(slot), units));
  }

  delete(key: string): boolean {
    this.assertWriting();
    const slot = this.live(key);
    if (slot < 0) return false;
    this.recordBefore(key, slot);
    this.moment.revision++;
    this.table.remove(slot);
    return true;
  }

  exists(key: string): boolean {
    return this.live(key) >= 0;
  }

  peek(key: string): Value | undefined {
    const slot = this.live(key);
    return slot < 0 ? undefined : this.table.values[slot];
  }

  expiryOf(key: string): number | undefined {
    const slot = this.live(key);
    if (slot < 0) return undefined;
    return this.table.due.deadlineOf(slot) || undefined;
  }

  expireAt(key: string, atMs: number | undefined): boolean {
    this.assertWriting();
    const slot = this.live(key);
    if (slot < 0) return false;
    this.recordBefore(key, slot);
    const version = ++this.moment.revision;
    if (atMs !== undefined && atMs <= this.moment.nowMs) this.table.remove(slot);
    else this.table.setDeadline(slot, atMs ?? 0, version);
    return true;
  }

  /** In a query a key that is due by the reader's clock counts as absent: when EXEC is applied, it will be. */
  versionOf(key: string): number {
    const slot = this.table.find(key);
    if (slot < 0) return 0;
    const deadline = this.table.due.deadlineOf(slot);
    return deadline !== 0 && deadline <= this.moment.nowMs ? 0 : this.table.versionAt(slot);
  }

  changedSince(key: string, wasPresent: boolean, revision: number): boolean {
    const version = this.versionOf(key);
    const isPresent = version !== 0;
    if (isPresent !== wasPresent) return true;
    if (isPresent) return Math.max(version, this.creations.exchanged) > revision;
    return this.creations.lastOf(hashText(0, key)) > revision;
  }

  *keys(): IterableIterator<string> {
    const { keys } = this.table;
    for (let slot = 0; slot < keys.length; slot++) if (!this.isDue(slot)) yield keys[slot]!;
  }

  /**
   * The cursor is the number of slots still to be looked at, from the last down to the first. A removal moves an entry
   * only to a lower slot, so an entry that was not yet returned stays below the cursor, whatever is changed in between;
   * new entries go to the end, above it.
   */
  scan(cursor: number, count: number): { cursor: number; keys: string[] } {
    const { keys } = this.table;
    let slot = cursor === 0 ? keys.length : Math.min(cursor, keys.length);
    const end = Math.max(0, slot - count);
    const found: string[] = [];
    while (slot > end) if (!this.isDue(--slot)) found.push(keys[slot]!);
    return { cursor: slot, keys: found };
  }

  randomKey(random: () => number): string | undefined {
    const { keys } = this.table;
    if (keys.length === 0) return undefined;
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      const slot = Math.floor(random() * keys.length);
      if (!this.isDue(slot)) return keys[slot];
    }
    for (let slot = 0; slot < keys.length; slot++) if (!this.isDue(slot)) return keys[slot];
    return undefined;
  }

  touch(key: string): boolean {
    const slot = this.live(key);
    if (slot < 0) return false;
    this.table.stampAccess(slot, this.clock.touched(this.table.accessAt(slot), this.moment.accessUnits));
    return true;
  }

  idleMs(key: string): number {
    const slot = this.table.find(key);
    return slot < 0 ? 0 : this.clock.idleMs(this.table.accessAt(slot), this.moment.accessUnits);
  }

  frequency(key: string): number {
    const slot = this.table.find(key);
    return slot < 0 ? 0 : this.clock.frequency(this.table.accessAt(slot), this.moment.accessUnits);
  }

  flush(): void {
    this.assertWriting();
    if (this.table.size === 0) return;
    const { table } = this;
    this.moment.undo?.record(() => {
      this.table = table;
    });
    this.moment.revision++;
    this.table = new KeyTable(this.hashSecret);
  }

  notify(eventClass: number, event: string, key: string): void {
    if (this.notifications.wanted(eventClass)) this.notifications.tell(this.index, event, key);
  }

  /** Removes keys that are due, earliest first, at most `limit`; gives how many. */
  removeDue(limit: number): number {
    this.assertWriting();
    let removed = 0;
    while (removed < limit && this.table.due.firstDeadline() <= this.moment.nowMs) {
      this.removeExpired(this.table.due.first());
      removed++;
    }
    return removed;
  }

  /** The slot of a key that is there and not due, or -1. A due key is removed, if this is a write. */
  private live(key: string): number {
    const slot = this.table.find(key);
    if (slot < 0) return -1;
    const deadline = this.table.due.deadlineOf(slot);
    if (deadline === 0 || deadline > this.moment.nowMs) return slot;
    if (!this.moment.reading) this.removeExpired(slot);
    else if (deadline > this.moment.logMs) throw TICK_NEEDED;
    return -1;
  }

  private isDue(slot: number): boolean {
    const deadline = this.table.due.deadlineOf(slot);
    if (deadline === 0 || deadline > this.moment.nowMs) return false;
    if (this.moment.reading && deadline > this.moment.logMs) throw TICK_NEEDED;
    return true;
  }

  private removeExpired(slot: number): void {
    this.moment.revision++;
    this.counters.expired++;
    if (this.notifications.wanted(EVENT.expired)) {
      this.notifications.tell(this.index, "expired", this.table.keys[slot]!);
    }
    this.table.remove(slot);
  }

  /** Tells an open undo log what the key holds before it is changed; `slot` -1: nothing. */
  private recordBefore(key: string, slot: number): void {
    const { undo } = this.moment;
    if (undo === undefined) return;
    const value = slot < 0 ? undefined : this.table.values[slot]!;
    const deadline = slot < 0 ? 0 : this.table.due.deadlineOf(slot);
    undo.record(() => this.putBack(key, value, deadline));
  }

  private putBack(key: string, value: Value | undefined, deadline: number): void {
    const { table, moment } = this;
    const slot = table.find(key);
    const version = ++moment.revision;
    if (value === undefined) {
      if (slot >= 0) table.remove(slot);
    } else if (slot >= 0) table.replace(slot, value, version, deadline);
    else this.create(key, value, version, deadline);
  }

  private create(key: string, value: Value, version: number, deadlineMs: number): void {
    const { table } = this;
    const slot = table.insert(key, value, version, deadlineMs);
    table.stampAccess(slot, this.clock.fresh(this.moment.accessUnits));
    this.creations.note(table.keyDigestAt(slot), version);
    this.notify(EVENT.created, "new", key);
  }

  /** After a collection was put back as it was: version, memory and digest of its entry, if it still has one. */
  private recount(key: string, collection: Collection): void {
    const slot = this.table.find(key);
    if (slot >= 0 && this.table.values[slot] === collection) {
      this.table.account(slot, ++this.moment.revision);
    }
  }

  private assertWriting(): void {
    assert(!this.moment.reading, "a query changes nothing");
  }
}
