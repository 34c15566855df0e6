/** A keyspace for tests: commands as lines or argument lists, with a log time and index that go on by themselves. */
import type { CommandSpec } from "./command.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import type { KeyspaceCommand } from "./keyspace-command.ts";
import type { KeyspaceOptions } from "./keyspace-options.ts";
import { createKeyspace, type KeyspaceMachine } from "./machine.ts";
import type { TICK_NEEDED } from "./moment.ts";
import type { Reply } from "./reply.ts";

export interface TestKeyspace {
  readonly machine: KeyspaceMachine;
  /** Log time of the next command. */
  nowMs: number;
  database: number;
  /** Applies a command: "SET a b" (split at spaces) or its arguments. */
  run(...command: readonly string[]): Reply;
  apply(command: KeyspaceCommand): Reply;
  /** Queries the local replica at `nowMs`. */
  query(...command: readonly string[]): Reply | typeof TICK_NEEDED;
}

export function testKeyspace(
  commands: readonly CommandSpec[] = DATA_COMMANDS,
  options: Partial<KeyspaceOptions> = {},
): TestKeyspace {
  const machine = createKeyspace({ commands, ...options });
  let index = 0;
  return {
    machine,
    nowMs: 1_000_000,
    database: 0,
    run(...command) {
      return this.apply({ type: "call", database: this.database, args: wordsOf(command) });
    },
    apply(command) {
      index++;
      return machine.apply(command, { index, position: 0, timeMs: this.nowMs, seed: index * 7919 });
    },
    query(...command) {
      return machine.query({ type: "call", database: this.database, args: wordsOf(command) }, this.nowMs);
    },
  };
}

function wordsOf(command: readonly string[]): readonly string[] {
  return command.length === 1 ? command[0]!.split(" ") : command;
}
