/** The log of mode `memory`: nothing reaches the disk, and a restart begins with nothing, under a new incarnation. */
import { assert } from "../../../runtime/errors.ts";
import type { Clock } from "../../../runtime/world.ts";
import type { LogStats, WriteAheadLog } from "./log-contract.ts";

export function openMemoryLog(clock: Clock): WriteAheadLog {
  let waiting: (() => void)[] = [];
  let scheduled = false;
  let closed = false;
  const flush = (): void => {
    const ready = waiting;
    waiting = [];
    for (const done of ready) if (!closed) done();
  };
  return {
    append(_group, _write, done) {
      assert(!closed, "append after close");
      waiting.push(done);
      if (scheduled) return;
      scheduled = true;
      clock.endOfTurn(() => {
        scheduled = false;
        flush();
      });
    },
    flush,
    compact: () => undefined,
    refusing: () => undefined,
    stalled: () => undefined,
    stats: () => EMPTY_STATS,
    close(done) {
      flush();
      closed = true;
      done();
    },
  };
}

const EMPTY_STATS: LogStats = {
  fsyncs: 0,
  frames: 0,
  bytesWritten: 0,
  lastFsyncMs: 0,
  queueBytes: 0,
  segments: 0,
  diskBytes: 0,
  pinnedBy: [],
};
