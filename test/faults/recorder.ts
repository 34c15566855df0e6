/** What clients asked and saw, on one clock, in the form that the checker reads. What was refused for certain is left out. */
import type { Operation } from "../../src/simulation/linearizability.ts";
import type { LockInput, LockOutput } from "../../src/simulation/lock-model.ts";
import type { StoreInput, StoreReply } from "../../src/simulation/store-model.ts";
import type { Ending } from "./connection.ts";

export interface Histories {
  readonly store: readonly Operation<StoreInput, StoreReply>[];
  readonly lock: readonly Operation<LockInput, LockOutput>[];
}

interface Open<Input, Output> {
  readonly client: string;
  readonly input: Input;
  readonly startMs: number;
  endMs?: number;
  output?: Output;
}

export class Recorder {
  readonly counts: { answered: number; refused: number; unknown: number } = {
    answered: 0,
    refused: 0,
    unknown: 0,
  };
  /** Why requests had no answer, counted. */
  readonly reasons: Map<string, number> = new Map();
  /** When the last write was answered, and the longest time without one so far. */
  private lastWriteMs: number | undefined;
  longestGapMs = 0;
  private readonly stores = new Set<Open<StoreInput, StoreReply>>();
  private readonly locks = new Set<Open<LockInput, LockOutput>>();

  async store(
    client: string,
    input: StoreInput,
    ask: () => Promise<Ending>,
    replyOf: (replies: readonly StoreReply[]) => StoreReply,
  ): Promise<Ending> {
    return this.record(this.stores, { client, input, startMs: performance.now() }, ask, replyOf);
  }

  async lock(
    client: string,
    input: LockInput,
    ask: () => Promise<Ending>,
    replyOf: (replies: readonly StoreReply[]) => LockOutput,
  ): Promise<Ending> {
    return this.record(this.locks, { client, input, startMs: performance.now() }, ask, replyOf);
  }

  histories(): Histories {
    return { store: [...this.stores], lock: [...this.locks] };
  }

  /** A write was answered now. */
  wrote(): void {
    const nowMs = performance.now();
    if (this.lastWriteMs !== undefined) {
      this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastWriteMs);
    }
    this.lastWriteMs = nowMs;
  }

  private async record<Input, Output>(
    history: Set<Open<Input, Output>>,
    operation: Open<Input, Output>,
    ask: () => Promise<Ending>,
    replyOf: (replies: readonly StoreReply[]) => Output,
  ): Promise<Ending> {
    history.add(operation);
    const ending = await ask();
    if (ending.type === "answer") {
      this.counts.answered++;
      operation.endMs = performance.now();
      operation.output = replyOf(ending.replies);
      return ending;
    }
    this.reasons.set(ending.reason, (this.reasons.get(ending.reason) ?? 0) + 1);
    if (ending.outcome === "not-applied") {
      this.counts.refused++;
      history.delete(operation);
    } else {
      this.counts.unknown++;
      if (ending.outcome === "applied") operation.endMs = performance.now();
    }
    return ending;
  }
}
