/** Opening a collection to add to it, whether or not its key exists, and storing what a command computed. */
import { MAX_MEMBERS, TOO_MANY_MEMBERS } from "../collections/member-table.ts";
import type { CollectionOf, CollectionType, Database } from "../database.ts";
import { EVENT, eventClassOf } from "../events.ts";
import type { Collection, Value } from "../value.ts";

/** A collection that is being added to: call `store` once it is changed, nothing if it is not. */
export interface Opened<T extends CollectionType> {
  readonly collection: CollectionOf<T>;
  /** Tells `event` of the key; without it the command does that itself. */
  readonly store: (event?: string) => void;
}

/**
 * The collection under the key, or an empty one that `store` puts there. `additions` is the greatest number of elements that
 * will be added, which lists alone do not bound. Throws WRONG_TYPE and TOO_MANY_MEMBERS, before anything is changed.
 */
export function openToAdd<T extends CollectionType>(
  database: Database,
  key: string,
  type: T,
  additions: number,
  create: () => CollectionOf<T>,
): Opened<T> {
  const existing = database.modify(key, type);
  if (type !== "list" && (existing?.size ?? 0) + additions > MAX_MEMBERS) throw TOO_MANY_MEMBERS;
  if (existing !== undefined) return { collection: existing, store: (event) => database.changed(key, event) };
  const collection = create();
  return {
    collection,
    store: (event) => {
      database.set(key, collection);
      if (event !== undefined) database.notify(eventClassOf(collection), event, key);
    },
  };
}

/**
 * The members of a result in the order that keeps a scan of the key's present collection complete: those that stay come
 * first, in their old order, so that none moves to a higher position (`collections/member-table.ts`).
 */
export function orderedAfter(
  present: Value | undefined,
  members: readonly string[],
  has: (member: string) => boolean,
): readonly string[] {
  if (present === undefined || typeof present === "string" || !("members" in present)) return members;
  const before = present.members as readonly string[];
  const staying = new Set(before.filter(has));
  return staying.size === 0 ? members : [...staying, ...members.filter((member) => !staying.has(member))];
}

/**
 * Puts a computed collection under a key, and tells `event`, or removes the key when it is empty, as every …STORE does; gives its
 * size.
 */
export function storeResult(database: Database, key: string, result: Collection, event: string): number {
  if (result.size > 0) {
    database.set(key, result);
    database.notify(eventClassOf(result), event, key);
  } else if (database.delete(key)) database.notify(EVENT.generic, "del", key);
  return result.size;
}
