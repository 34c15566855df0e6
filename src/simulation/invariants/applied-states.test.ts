import { expect, test } from "vitest";
import { DATA_COMMANDS } from "../../engine/keyspace/commands/index.ts";
import { encodeCall } from "../../engine/keyspace/command-codec.ts";
import type { KeyspaceMachine } from "../../engine/keyspace/machine.ts";
import { createKeyspace } from "../../engine/keyspace/machine.ts";
import { encodeRequest } from "../../wire/resp/request-encoder.ts";
import { AppliedStates } from "./applied-states.ts";

class Tested {
  readonly found: string[] = [];
  readonly states: AppliedStates = new AppliedStates((what) => this.found.push(what));

  /** A machine of the node, watched. Every command is one that clients issue once. */
  machine(node: string): (index: number, position: number, timeMs: number, key: string) => void {
    const machine: KeyspaceMachine = createKeyspace({ commands: DATA_COMMANDS });
    this.states.observeMachine(node, machine, () => true);
    return (index, position, timeMs, key) => {
      const command = machine.decode(encodeCall(0, encodeRequest(["SET", key, "1"])));
      machine.apply(command, { index, position, timeMs, seed: 0 });
    };
  }
}

test("replicas that apply the same, one behind the other, break nothing", () => {
  const tested = new Tested();
  for (const node of ["n1", "n2"]) {
    const apply = tested.machine(node);
    apply(1, 0, 10, "a");
    apply(1, 1, 10, "b");
    apply(2, 0, 20, "c");
    tested.states.applied(node, 2, 77);
  }
  expect(tested.found).toEqual([]);
});

test("a command that is applied at a second place is found", () => {
  const tested = new Tested();
  tested.machine("n1")(1, 0, 10, "a");
  tested.machine("n2")(2, 0, 20, "a");
  expect(tested.found).toEqual([
    expect.stringContaining("n2 applied a command at 2.0 that was applied at 1.0"),
  ]);
});

test("a place that is applied twice, or out of order, is found", () => {
  const tested = new Tested();
  const apply = tested.machine("n1");
  apply(2, 1, 10, "a");
  apply(2, 1, 10, "a");
  apply(2, 0, 10, "b");
  expect(tested.found).toEqual(["n1 applied 2.1 after 2.1", "n1 applied 2.0 after 2.1"]);
});

test("log time that goes back, or differs between replicas, is found", () => {
  const tested = new Tested();
  const apply = tested.machine("n1");
  apply(1, 0, 10, "a");
  apply(2, 0, 9, "b");
  tested.machine("n2")(1, 0, 11, "a");
  expect(tested.found).toEqual(["log time at n1 went from 10 to 9", "entry 1 has the times 10 and 11"]);
});

test("states that differ after the same entry are found", () => {
  const tested = new Tested();
  tested.states.applied("n1", 5, 77);
  tested.states.applied("n2", 5, 78);
  expect(tested.found).toEqual(["after entry 5, the states of n1 and n2 differ"]);
});
