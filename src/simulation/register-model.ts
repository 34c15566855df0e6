/** The textbook object: one register per key with read, write and compare-and-set; a counter; both for small histories. */
import type { Model, Operation } from "./linearizability.ts";

export type RegisterInput =
  | { readonly type: "read"; readonly key: string }
  | { readonly type: "write"; readonly key: string; readonly value: number }
  | { readonly type: "compareAndSet"; readonly key: string; readonly from: number; readonly to: number }
  /** Answers the sum. */
  | { readonly type: "add"; readonly key: string; readonly amount: number };

/** What was read, whether the compare-and-set was done, or the sum; a write answers true. */
export type RegisterOutput = number | boolean;

export const registerModel: Model<number, RegisterInput, RegisterOutput> = {
  name: "register",
  init: () => 0,
  step(state, { input, output }) {
    const [next, answer] = carryOut(state, input);
    return output === undefined || output === answer ? [next] : [];
  },
  stateKey: String,
  keysOf: ({ key }) => [key],
  readOnly: ({ type }) => type === "read",
  describe: ({ input, output }: Operation<RegisterInput, RegisterOutput>) =>
    `${JSON.stringify(input)} -> ${output ?? "unknown"}`,
  describeState: String,
};

function carryOut(state: number, input: RegisterInput): readonly [number, RegisterOutput] {
  switch (input.type) {
    case "read":
      return [state, state];
    case "write":
      return [input.value, true];
    case "compareAndSet":
      return state === input.from ? [input.to, true] : [state, false];
    case "add":
      return [state + input.amount, state + input.amount];
  }
}
