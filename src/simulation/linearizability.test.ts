import fc from "fast-check";
import { expect, test } from "vitest";
import { SeededRandom } from "../runtime/simulated/random.ts";
import { checkHistory, parseHistory } from "./history.ts";
import { checkLinearizability } from "./linearizability.ts";
import type { Model, Operation, Verdict } from "./linearizability.ts";
import { lockModel } from "./lock-model.ts";
import type { LockInput, LockOutput } from "./lock-model.ts";
import { registerModel } from "./register-model.ts";
import type { RegisterInput, RegisterOutput } from "./register-model.ts";
import { answerOf, storeModel } from "./store-model.ts";
import type { StoreInput, StoreReply } from "./store-model.ts";

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

const write = (
  client: string,
  startMs: number,
  endMs: number | undefined,
  value: number,
): RegisterOperation => ({
  client,
  startMs,
  endMs,
  input: { type: "write", key: "x", value },
  output: endMs === undefined ? undefined : true,
});
const read = (client: string, startMs: number, endMs: number, value: number): RegisterOperation => ({
  client,
  startMs,
  endMs,
  input: { type: "read", key: "x" },
  output: value,
});
const judge = (history: readonly RegisterOperation[]): Verdict =>
  checkLinearizability(registerModel, history);

/** The definition itself: tries every order and every choice of the unknown operations. For small histories only. */
function isLinearizableByDefinition<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): boolean {
  const tryFrom = (state: State, left: readonly Operation<Input, Output>[]): boolean => {
    if (left.every((each) => each.endMs === undefined)) return true;
    return left.some((next) => {
      const others = left.filter((each) => each !== next);
      if (others.some((other) => (other.endMs ?? Infinity) < next.startMs)) return false;
      return model.step(state, next).some((after) => tryFrom(after, others));
    });
  };
  return tryFrom(model.init(), history);
}

test("overlapping operations may take effect in either order", () => {
  expect(judge([write("a", 0, 10, 1), write("b", 0, 10, 2), read("c", 11, 12, 1)]).outcome).toBe(
    "linearizable",
  );
  expect(judge([write("a", 0, 10, 1), write("b", 0, 10, 2), read("c", 11, 12, 2)]).outcome).toBe(
    "linearizable",
  );
});

test("a stale read is caught", () => {
  const verdict = judge([write("a", 0, 1, 1), write("a", 2, 3, 2), read("b", 4, 5, 1)]);
  expect(verdict.outcome).toBe("violation");
  expect(verdict.violation?.report).toContain('"read"');
});

test("a read that goes back behind an earlier read is caught, though a write overlaps both", () => {
  const history = [write("a", 0, 100, 1), read("b", 10, 20, 1), read("c", 30, 40, 0)];
  expect(judge(history).outcome).toBe("violation");
  expect(judge([write("a", 0, 100, 1), read("b", 10, 20, 0), read("c", 30, 40, 1)]).outcome).toBe(
    "linearizable",
  );
});

test("two compare-and-sets from one value cannot both be done", () => {
  const take = (client: string, to: number): RegisterOperation => ({
    client,
    startMs: 0,
    endMs: 10,
    input: { type: "compareAndSet", key: "x", from: 0, to },
    output: true,
  });
  expect(judge([take("a", 1), take("b", 2)]).outcome).toBe("violation");
  expect(judge([take("a", 1), { ...take("b", 2), output: false }]).outcome).toBe("linearizable");
});

test("a lost increment is caught", () => {
  const add = (client: string, startMs: number, output: number): RegisterOperation => ({
    client,
    startMs,
    endMs: startMs + 5,
    input: { type: "add", key: "x", amount: 1 },
    output,
  });
  expect(judge([add("a", 0, 1), add("b", 1, 2), add("c", 2, 3)]).outcome).toBe("linearizable");
  expect(judge([add("a", 0, 1), add("b", 1, 2), add("c", 10, 2)]).outcome).toBe("violation");
});

test("an operation of unknown outcome may take effect late, or never, but not twice", () => {
  const unknown = write("a", 0, undefined, 7);
  expect(judge([unknown, read("b", 50, 51, 0)]).outcome).toBe("linearizable");
  expect(judge([unknown, read("b", 50, 51, 0), read("b", 60, 61, 7)]).outcome).toBe("linearizable");
  expect(judge([unknown, read("b", 50, 51, 7), read("b", 60, 61, 0)]).outcome).toBe("violation");
  const overwritten = [unknown, read("b", 1, 2, 7), write("b", 3, 4, 8), read("b", 5, 6, 7)];
  expect(judge(overwritten).outcome).toBe("violation");
});

test("an effect before its call is caught, also of an unknown outcome", () => {
  expect(judge([read("b", 0, 1, 7), write("a", 2, undefined, 7)]).outcome).toBe("violation");
});

test("the report ends at the smallest failing prefix", () => {
  const good = Array.from({ length: 50 }, (_, at) => write("a", at * 10, at * 10 + 5, at));
  const bad = [...good.slice(0, 20), read("b", 196, 197, 3), ...good.slice(20)];
  const verdict = judge(bad);
  expect(verdict.violation?.prefixLength).toBe(21);
  expect(verdict.violation?.report).toContain("[196.00 .. 197.00] b");
});

test("keys are judged apart, and joined by operations that touch several", () => {
  const command = (
    startMs: number,
    words: string,
    output: StoreReply,
  ): Operation<StoreInput, StoreReply> => ({
    client: "c",
    startMs,
    endMs: startMs + 1,
    input: { command: words.split(" ") },
    output,
  });
  const apart = [command(0, "SET a 1", { status: "OK" }), command(2, "SET b 1", { status: "OK" })];
  expect(checkLinearizability(storeModel(), apart).parts).toBe(2);
  const joined = [...apart, command(4, "MGET a b", ["1", "1"])];
  expect(checkLinearizability(storeModel(), joined)).toMatchObject({ parts: 1, outcome: "linearizable" });
  // Each key alone could be explained; both together cannot: a torn multi-key read.
  const torn = [
    { ...command(0, "MSET a 1 b 1", { status: "OK" }), endMs: 20 },
    command(5, "MGET a b", ["1", null]),
  ];
  expect(checkLinearizability(storeModel(), torn).outcome).toBe("violation");
});

test("it agrees with the definition on every small history", () => {
  const operation = fc.record({
    client: fc.constantFrom("a", "b", "c"),
    startMs: fc.nat(12),
    lengthMs: fc.option(fc.nat(6)),
    input: fc.oneof(
      fc.constant<RegisterInput>({ type: "read", key: "x" }),
      fc.nat(2).map<RegisterInput>((value) => ({ type: "write", key: "x", value })),
      fc.nat(2).map<RegisterInput>((from) => ({ type: "compareAndSet", key: "x", from, to: (from + 1) % 3 })),
      fc.constant<RegisterInput>({ type: "add", key: "x", amount: 1 }),
    ),
    number: fc.nat(3),
    truth: fc.boolean(),
    lost: fc.integer({ min: 0, max: 9 }),
  });
  let violations = 0;
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 7 }), (drawn) => {
      const history = drawn.map(
        ({ client, startMs, lengthMs, input, number, truth, lost }): RegisterOperation => {
          const endMs = lengthMs === null ? undefined : startMs + lengthMs;
          const answer = input.type === "compareAndSet" ? truth : input.type === "write" ? true : number;
          return {
            client,
            startMs,
            endMs,
            input,
            output: endMs === undefined || lost === 0 ? undefined : answer,
          };
        },
      );
      const expected = isLinearizableByDefinition(registerModel, history) ? "linearizable" : "violation";
      if (expected === "violation") violations++;
      expect(judge(history).outcome).toBe(expected);
    }),
    { numRuns: 2000 },
  );
  expect(violations).toBeGreaterThan(200);
});

/** A correct store under concurrent clients: each operation takes effect at one moment inside its interval. */
function recordCorrectHistory(
  seed: number,
  count: number,
  clients: number,
): Operation<StoreInput, StoreReply>[] {
  const random = SeededRandom.fromSeed(seed);
  const model = storeModel();
  const drafts = Array.from({ length: count }, (_, at) => {
    const key = `k${random.integer(0, 3)}`;
    const command = random.pick([
      ["SET", key, `v${at}`],
      ["GET", key],
      ["INCR", `n${key}`],
      ["APPEND", key, `+${at}`],
      ["RPUSH", `l${key}`, `e${at}`],
      ["LRANGE", `l${key}`, "0", "-1"],
      ["DEL", key],
    ]);
    const startMs = Math.floor(at / clients) * 10 + random.float() * 5;
    const effectMs = startMs + random.float() * 8;
    return {
      client: `c${at % clients}`,
      command,
      startMs,
      effectMs,
      endMs: effectMs + random.float() * 4,
      at,
    };
  });
  const outputs = new Map<number, StoreReply>();
  let state = model.init();
  for (const draft of drafts.toSorted((left, right) => left.effectMs - right.effectMs)) {
    const input = { command: draft.command };
    const result = answerOf(state, input);
    state = result.state;
    outputs.set(draft.at, result.reply);
  }
  return drafts.map(({ client, command, startMs, endMs, at }) => ({
    client,
    startMs,
    ...(random.chance(0.03) ? {} : { endMs, output: outputs.get(at) }),
    input: { command },
  }));
}

test("long concurrent histories of a correct store pass, in few steps", () => {
  for (let seed = 0; seed < 5; seed++) {
    const history = recordCorrectHistory(seed, 2000, 8);
    const verdict = checkLinearizability(storeModel(), history);
    expect(verdict.outcome).toBe("linearizable");
  }
});

test("one changed answer in a long history is found", () => {
  let found = 0;
  for (let seed = 0; seed < 10; seed++) {
    const history = recordCorrectHistory(seed, 400, 5);
    const at = history.findIndex(
      (each, index) => index > 200 && each.endMs !== undefined && typeof each.output === "number",
    );
    const changed = history.map((each, index) => (index === at ? { ...each, output: 12_345 } : each));
    if (checkLinearizability(storeModel(), changed).outcome === "violation") found++;
  }
  expect(found).toBe(10);
});

test("a key with a time to live may go when its time comes, not before, and does not come back", () => {
  const operation = (
    startMs: number,
    words: string,
    output: StoreReply,
  ): Operation<StoreInput, StoreReply> => ({
    client: "c",
    startMs,
    endMs: startMs + 1,
    input: { command: words.split(" ") },
    output,
  });
  const set = operation(0, "SET k v PX 100", { status: "OK" });
  const outcome = (...history: Operation<StoreInput, StoreReply>[]): string =>
    checkLinearizability(storeModel(), [set, ...history]).outcome;
  expect(outcome(operation(200, "GET k", null))).toBe("linearizable");
  expect(outcome(operation(200, "GET k", "v"))).toBe("linearizable");
  expect(outcome(operation(50, "GET k", null))).toBe("violation");
  expect(outcome(operation(200, "GET k", null), operation(300, "GET k", "v"))).toBe("violation");
  expect(outcome(operation(50, "PERSIST k", 1), operation(300, "GET k", null))).toBe("violation");
});

test("a transaction over watched keys is done only if they still have what was read", () => {
  const set = (startMs: number, value: string): Operation<StoreInput, StoreReply> => ({
    client: "a",
    startMs,
    endMs: startMs + 1,
    input: { command: ["SET", "k", value] },
    output: { status: "OK" },
  });
  const exec = (startMs: number, output: StoreReply): Operation<StoreInput, StoreReply> => ({
    client: "b",
    startMs,
    endMs: startMs + 1,
    input: { watched: { k: "1" }, transaction: [["SET", "k", "mine"]] },
    output,
  });
  const done: StoreReply = [{ status: "OK" }];
  expect(checkLinearizability(storeModel(), [set(0, "1"), exec(5, done)]).outcome).toBe("linearizable");
  expect(checkLinearizability(storeModel(), [set(0, "1"), set(2, "2"), exec(5, done)]).outcome).toBe(
    "violation",
  );
  expect(checkLinearizability(storeModel(), [set(0, "1"), set(2, "2"), exec(5, null)]).outcome).toBe(
    "linearizable",
  );
});

test("a lock: one holder at a time, tokens only grow, a hold may end by time", () => {
  const acquire = (
    owner: string,
    startMs: number,
    output: LockOutput | undefined,
  ): Operation<LockInput, LockOutput> => ({
    client: owner,
    startMs,
    endMs: output === undefined ? undefined : startMs + 1,
    input: { type: "acquire", lock: "l", owner, ttlMs: 100 },
    output,
  });
  const release = (
    owner: string,
    startMs: number,
    token: number,
    output: boolean,
  ): Operation<LockInput, LockOutput> => ({
    client: owner,
    startMs,
    endMs: startMs + 1,
    input: { type: "release", lock: "l", owner, token },
    output,
  });
  const outcome = (...history: Operation<LockInput, LockOutput>[]): string =>
    checkLinearizability(lockModel, history).outcome;
  expect(outcome(acquire("a", 0, 1), release("a", 10, 1, true), acquire("b", 20, 2))).toBe("linearizable");
  expect(outcome(acquire("a", 0, 1), acquire("b", 20, 2))).toBe("violation");
  expect(outcome(acquire("a", 0, 1), acquire("b", 20, null), acquire("b", 120, 2))).toBe("linearizable");
  expect(outcome(acquire("a", 0, 5), release("a", 10, 5, true), acquire("b", 20, 5))).toBe("violation");
  expect(outcome(acquire("a", 0, 1), acquire("b", 120, 2), release("a", 130, 1, true))).toBe("violation");
  expect(outcome(acquire("a", 0, undefined), acquire("b", 20, null), acquire("b", 120, 2))).toBe(
    "linearizable",
  );
  expect(outcome(acquire("a", 0, undefined), acquire("b", 20, 1))).toBe("linearizable");
});

test("a search that grows past its bound says that it is undecided", () => {
  const history = [
    ...Array.from({ length: 14 }, (_, at) => write(`w${at}`, 0, 100, at + 1)),
    read("r", 101, 102, 999),
  ];
  expect(checkLinearizability(registerModel, history, { maxConfigurations: 1000 }).outcome).toBe("undecided");
});

test("a recorded history is judged from its JSON, and anything else is refused by name", () => {
  const text = JSON.stringify({
    quorateHistory: 1,
    model: "register",
    operations: [write("a", 0, 1, 1), read("b", 2, 3, 0)],
  });
  expect(checkHistory(parseHistory(text)).outcome).toBe("violation");
  for (const bad of ["", "null", "{}", '{"quorateHistory":1}', '{"quorateHistory":1,"model":"store"}']) {
    expect(() => parseHistory(bad)).toThrow(/history/);
  }
  const backwards = JSON.stringify({
    quorateHistory: 1,
    model: "store",
    operations: [{ client: "a", input: {}, startMs: 2, endMs: 1 }],
  });
  expect(() => parseHistory(backwards)).toThrow(/operation 0/);
});
