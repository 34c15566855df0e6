/**
 * A lock with fencing tokens and a time to live, as a specification.
 *
 * At most one holder at a time; tokens only grow, also over releases and lost holders; a hold ends by its release, or by its
 * time to live, and then never comes back. That it *may* end by time is known, not when exactly: the machines' clocks drift,
 * so a hold may be found ended at any moment from `ttlMs` after the call that took it, less the drift.
 */
import type { Model, Operation } from "./linearizability.ts";

export type LockInput =
  | { readonly type: "acquire"; readonly lock: string; readonly owner: string; readonly ttlMs: number }
  | { readonly type: "release"; readonly lock: string; readonly owner: string; readonly token: number };

/** Acquire: the token, or null when another holds it. Release: whether it was still held with this token. */
export type LockOutput = number | null | boolean;

export interface LockState {
  /** The highest token that may have been given, and whether it is exact (an unknown outcome skips one of unknown size). */
  readonly token: number;
  readonly holder: string | undefined;
  readonly endsNotBeforeMs: number;
}

/** Clocks of two machines drift apart by at most this fraction; a bound of the test, wider than that of the engine. */
const DRIFT = 0.02;

export const lockModel: Model<LockState, LockInput, LockOutput> = {
  name: "lock",
  init: () => ({ token: 0, holder: undefined, endsNotBeforeMs: 0 }),
  step(state, operation) {
    const states = [state];
    if (state.holder !== undefined && (operation.endMs ?? Infinity) >= state.endsNotBeforeMs) {
      states.push({ ...state, holder: undefined });
    }
    return states.flatMap((each) => carryOut(each, operation));
  },
  stateKey: ({ token, holder, endsNotBeforeMs }) => `${token}|${holder ?? ""}|${endsNotBeforeMs}`,
  keysOf: ({ lock }) => [lock],
  readOnly: () => false,
  describe: ({ input, output }: Operation<LockInput, LockOutput>) =>
    `${JSON.stringify(input)} -> ${output === undefined ? "unknown" : String(output)}`,
  describeState: ({ token, holder }) =>
    holder === undefined ? `free, last token ${token}` : `held by ${holder} with token ${token}`,
};

function carryOut(state: LockState, operation: Operation<LockInput, LockOutput>): readonly LockState[] {
  const { input, output, startMs } = operation;
  if (input.type === "release") {
    const held = state.holder === input.owner && state.token === input.token;
    if (output !== undefined && output !== held) return [];
    return [held ? { ...state, holder: undefined } : state];
  }
  if (state.holder !== undefined) return output === undefined || output === null ? [state] : [];
  if (output === null || typeof output === "boolean") return [];
  // A token need not follow the last one directly: only its order is promised.
  if (output !== undefined && output <= state.token) return [];
  const token = output ?? state.token + 1;
  return [{ token, holder: input.owner, endsNotBeforeMs: startMs + input.ttlMs * (1 - DRIFT) }];
}
