/**
 * Keyspace notifications: what happened to which key, told on channels that clients subscribe to, as Redis tells it
 * (https://redis.io/docs/latest/develop/use/keyspace-notifications/).
 *
 * Events arise where commands are applied, expiry and eviction included: every replica tells its own subscribers, each event
 * once and in the order of the log. A command names its event beside the change that it makes; while none is wanted, that
 * costs a comparison.
 */
import type { Collection } from "./value.ts";

/** What an event is about; a setting chooses among them. */
export const EVENT = {
  generic: 1,
  string: 2,
  list: 4,
  set: 8,
  hash: 16,
  zset: 32,
  expired: 64,
  evicted: 128,
  /** Of streams and modules: nothing here tells any. */
  stream: 256,
  module: 512,
  /** A key came to be. */
  created: 1024,
  /** Which channels there are: `__keyspace@<db>__:<key>` with the event, `__keyevent@<db>__:<event>` with the key. */
  keyspace: 2048,
  keyevent: 4096,
} as const;

/** In the order of Redis's canonical form. */
const LETTERS: readonly (readonly [letter: string, eventClass: number])[] = [
  ["g", EVENT.generic],
  ["$", EVENT.string],
  ["l", EVENT.list],
  ["s", EVENT.set],
  ["h", EVENT.hash],
  ["z", EVENT.zset],
  ["x", EVENT.expired],
  ["e", EVENT.evicted],
  ["t", EVENT.stream],
  ["d", EVENT.module],
  ["n", EVENT.created],
  ["K", EVENT.keyspace],
  ["E", EVENT.keyevent],
];
const CHANNELS: number = EVENT.keyspace | EVENT.keyevent;
/** "A": all but those of new keys. */
const ALL: number = LETTERS.slice(0, 10).reduce((classes, [, each]) => classes | each, 0);

/** What `notify-keyspace-events` may hold. */
export const EVENT_LETTERS: string = `A${LETTERS.map(([letter]) => letter).join("")}`;

/** Undefined when a letter names no class. */
export function parseEventClasses(text: string): number | undefined {
  let classes = 0;
  for (const letter of text) {
    const found = letter === "A" ? ALL : LETTERS.find(([each]) => each === letter)?.[1];
    if (found === undefined) return undefined;
    classes |= found;
  }
  return classes;
}

export function formatEventClasses(classes: number): string {
  const all = (classes & ALL) === ALL;
  const letters = LETTERS.filter(([, each]) => (classes & each) !== 0 && !(all && (ALL & each) !== 0));
  return `${all ? "A" : ""}${letters.map(([letter]) => letter).join("")}`;
}

/** Of the events that change a collection. */
export function eventClassOf(collection: Collection): number {
  return EVENT[collection.type];
}

export class Notifications {
  private classes = 0;
  private readonly send: (channel: string, message: string, lasting: boolean) => void;

  constructor(send: (channel: string, message: string, lasting: boolean) => void) {
    this.send = send;
  }

  /** Without a channel, no class is told. */
  choose(classes: number): void {
    this.classes = (classes & CHANNELS) === 0 ? 0 : classes;
  }

  wanted(eventClass: number): boolean {
    return (this.classes & eventClass) !== 0;
  }

  tell(database: number, event: string, key: string): void {
    // A key that was due is gone, whatever becomes of the command that met it.
    const lasting = event === "expired";
    if (this.wanted(EVENT.keyspace)) this.send(`__keyspace@${database}__:${key}`, event, lasting);
    if (this.wanted(EVENT.keyevent)) this.send(`__keyevent@${database}__:${event}`, key, lasting);
  }
}
