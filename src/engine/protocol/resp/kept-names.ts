/** What a connection makes its node remember by name: the keys that it watches, the channels and patterns that it listens to. */

/** For the keys, and for all kinds of subscriptions together. */
export const KEPT_NAMES_MAX_BYTES: number = 64 << 20;
/** What the tables take for a name beside its bytes: measured, some 190 for a channel and 120 for a key. */
export const KEPT_NAME_BYTES = 256;

export function bytesToKeep(name: string): number {
  return name.length + KEPT_NAME_BYTES;
}
