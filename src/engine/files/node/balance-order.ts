/** Brings the order for a round of balancing to the leader, wherever it is. */
import { QuorateError } from "../../../runtime/errors.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import { STREAM_SILENCE_MS } from "../blocks/protocol.ts";
import type { BalanceOptions, BalanceRound } from "../file-system.ts";
import type { NamespaceGroup } from "./namespace-log.ts";

const THRESHOLD = 0.1;
const MAX_BYTES = 10 * 1024 ** 3;

/** NO_QUORUM when nobody leads, or the leader does not answer. */
export function orderBalance(
  link: BlockLink,
  group: Pick<NamespaceGroup, "leader">,
  { threshold = THRESHOLD, maxBytes = MAX_BYTES }: BalanceOptions,
): Promise<BalanceRound> {
  const leader = group.leader();
  if (leader === undefined) return Promise.reject(nobody("there is no leader"));
  return new Promise((resolve, reject) => {
    const stream = link.newStream();
    const finish = (): void => {
      timer.cancel();
      cancel();
    };
    const timer = link.clock.setTimer(STREAM_SILENCE_MS, () => {
      finish();
      reject(nobody(`${leader} does not answer`));
    });
    const cancel = link.on("balanced", (from, answer) => {
      if (from !== leader || answer.stream !== stream) return;
      finish();
      if (answer.moves === undefined) reject(nobody(`${leader} does not lead any more`));
      else resolve(answer.moves);
    });
    link.send(leader, { type: "balance", stream, maxBytes, threshold });
  });
}

function nobody(why: string): QuorateError {
  return new QuorateError("NO_QUORUM", `no node can be told to balance: ${why}`);
}
