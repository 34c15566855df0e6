/** Whom a leader needs at once, and who may hear of things a little later. */
import type { Core } from "./core.ts";
import type { Leadership } from "./offices.ts";
import type { Progress } from "./progress.ts";

/**
 * Whether `peer` is a voter that this leader makes a quorum without: with others that rank higher by `rankOf`. The order of those
 * who are equal stays, so that it is the same ones again. Two majorities at once, or one without this leader, are rare and short:
 * there everybody is needed.
 */
export function isInReserve(
  { id, membership }: Core,
  { peers }: Leadership,
  peer: Progress,
  rankOf: (peer: Progress) => number,
): boolean {
  const { voters, outgoing } = membership;
  if (outgoing.length > 0 || !voters.includes(id) || !voters.includes(peer.id)) return false;
  const rank = rankOf(peer);
  let before = true;
  let ahead = 0;
  for (const other of peers.values()) {
    if (other === peer) before = false;
    else if (voters.includes(other.id) && (before ? rankOf(other) >= rank : rankOf(other) > rank)) ahead += 1;
  }
  return ahead >= voters.length >> 1;
}
