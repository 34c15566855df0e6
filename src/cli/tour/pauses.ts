/** How long writes paused around a fault: for each writer, the gap between its acknowledgements in which the fault lies. */

export interface Pauses {
  /** Call at every acknowledged write; with the writer's name if it writes without a rest. */
  acknowledged(writer?: string): void;
  /** Call at the moment of a fault. */
  fault(): void;
  /** Acknowledged writes or pipelines in all. */
  readonly total: number;
  /** One gap in milliseconds for each fault and each writer that wrote before and after it. */
  gaps(): readonly (readonly number[])[];
}

export function createPauses(now: () => number = () => performance.now()): Pauses {
  const lastAt = new Map<string, number>();
  const faults: { readonly waiting: Map<string, number>; readonly gaps: number[] }[] = [];
  let total = 0;
  return {
    acknowledged(writer) {
      total++;
      if (writer === undefined) return;
      const at = now();
      for (const { waiting, gaps } of faults) {
        const before = waiting.get(writer);
        if (before === undefined) continue;
        waiting.delete(writer);
        gaps.push(at - before);
      }
      lastAt.set(writer, at);
    },
    fault: () => void faults.push({ waiting: new Map(lastAt), gaps: [] }),
    get total() {
      return total;
    },
    gaps: () => faults.map(({ gaps }) => gaps),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
