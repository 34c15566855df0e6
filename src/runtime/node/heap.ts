/**
 * Room for the garbage of a busy node.
 *
 * V8 lets a heap grow by a part of what is alive in it. A store that holds little but replaces it all the time is thus collected
 * wholly every few thousand commands: measured with 100,000 keys, an eighth of all that three nodes did under writes. So a
 * small heap gets a fixed room in which values may be replaced before it is looked through; a large one grows as V8 sees fit, or
 * the room would be as large as the data.
 */
import type { PerformanceEntry } from "node:perf_hooks";
import { PerformanceObserver, constants } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";

const ROOM_BYTES = 96 << 20;
/** Of what is alive; more brings nothing that a process without data would notice. */
const ROOM_MAX_PERCENT = 400;
/** Below this, V8's own rule gives as much. */
const ROOM_MIN_PERCENT = 60;

/** How far the heap may grow beyond `aliveBytes`, in percent of them; 0: as V8 sees fit. */
export function roomPercent(aliveBytes: number): number {
  const percent = Math.floor((ROOM_BYTES * 100) / aliveBytes);
  return percent < ROOM_MIN_PERCENT ? 0 : Math.min(percent, ROOM_MAX_PERCENT);
}

/** For a process that is a node and nothing else; from now on, and without keeping the process alive. */
export function keepRoomInHeap(): void {
  let percent = -1;
  const adjust = (): void => {
    const wanted = roomPercent(getHeapStatistics().used_heap_size);
    if (wanted === percent) return;
    percent = wanted;
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  adjust();
  // Right after a full collection, what is used is what is alive.
  const observer = new PerformanceObserver((list) => {
    if (list.getEntries().some(isFull)) adjust();
  });
  observer.observe({ entryTypes: ["gc"] });
}

function isFull(entry: PerformanceEntry): boolean {
  // Of entries of garbage collections, Node.js tells the kind here; its types do not know.
  const { detail } = entry as { readonly detail?: { readonly kind?: number } };
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
