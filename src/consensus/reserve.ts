/** Whom a leader needs at once, and who may hear of things a little later. */
import type { Core } from "./core.ts";
import type { Leadership } from "./offices.ts";
import type { Progress } from "./progress.ts";

const NOBODY: readonly Progress[] = [];

/**
 * The voters that this leader makes a quorum without: those that rank lowest by `rankOf`. The order of those who are equal stays, so
 * that it is the same ones again. Two majorities at once, or one without this leader, are rare and short: there everybody is needed.
 */
export function reserveOf(
  { id, membership }: Core,
  { peers }: Leadership,
  rankOf: (peer: Progress) => number,
): readonly Progress[] {
  const { voters, outgoing } = membership;
  if (outgoing.length > 0 || !voters.includes(id)) return NOBODY;
  const inOrder = [...peers.values()].filter((peer) => voters.includes(peer.id));
  return inOrder.sort((a, b) => rankOf(b) - rankOf(a)).slice(voters.length >> 1);
}
