/** Shows the log now and then that a writer lives, so that nobody takes its file away. */
import type { Clock, Timer } from "../../../runtime/world.ts";
import type { NamespaceLog } from "./namespace-log.ts";

/** Signs within the time after which another writer may take over. */
const SIGNS_PER_SOFT_LIMIT = 3;
const SIGN_MIN_MS = 50;

/** Begins to renew; the returned function ends it. `lost`: the holder holds nothing any more. */
export function keepLease(log: NamespaceLog, clock: Clock, holder: string, lost: () => void): () => void {
  let timer: Timer | undefined;
  let ended = false;
  const later = (): void => {
    const everyMs = Math.max(SIGN_MIN_MS, log.machine.settings.leaseSoftMs / SIGNS_PER_SOFT_LIMIT);
    timer = clock.setTimer(everyMs, renew);
  };
  const renew = (): void => {
    log.tell({ type: "renewLease", holder }, (error, files) => {
      if (ended) return;
      if (error === undefined && files === 0) lost();
      else later();
    });
  };
  later();
  return () => {
    ended = true;
    timer?.cancel();
  };
}
