/** Rows of the command table in short: a group's commands share most of what a `CommandSpec` says. */
import type { CommandFlag, CommandGroup, CommandSpec, KeyPositions } from "../command.ts";
import { ONE_KEY } from "./key-positions.ts";

export interface CommandRow {
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** Default: the first argument is the only key. */
  readonly keys?: KeyPositions;
  readonly findKeys?: NonNullable<CommandSpec["findKeys"]>;
  readonly since: string;
  readonly complexity: string;
  readonly usage: string;
  readonly summary: string;
  readonly mayWrite?: NonNullable<CommandSpec["mayWrite"]>;
  readonly execute: NonNullable<CommandSpec["execute"]>;
}

export const READ: readonly CommandFlag[] = ["readonly"];
export const READ_FAST: readonly CommandFlag[] = ["readonly", "fast"];
export const READ_MANY_KEYS: readonly CommandFlag[] = ["readonly", "movablekeys"];
export const WRITE: readonly CommandFlag[] = ["write"];
export const WRITE_FAST: readonly CommandFlag[] = ["write", "fast"];
export const WRITE_MANY_KEYS: readonly CommandFlag[] = ["write", "movablekeys"];
/** Writes that take memory, and so are refused when there is none left. */
export const GROW: readonly CommandFlag[] = ["write", "denyoom"];
export const GROW_FAST: readonly CommandFlag[] = ["write", "denyoom", "fast"];
export const GROW_MANY_KEYS: readonly CommandFlag[] = ["write", "denyoom", "movablekeys"];

export function commandRows(group: CommandGroup, rows: readonly CommandRow[]): readonly CommandSpec[] {
  return rows.map(({ keys = ONE_KEY, since, complexity, usage, summary, ...row }) => ({
    ...row,
    keys,
    docs: { group, since, complexity, usage, summary },
  }));
}

/** Keys that follow their number, which is the argument at `countAt`; a destination before it is a key as well. */
export function countedKeys(countAt: 1 | 2): (args: readonly string[]) => readonly number[] {
  return (args) => {
    const count = Number(args[countAt]);
    const indices: number[] = countAt === 2 ? [1] : [];
    if (!Number.isSafeInteger(count)) return indices;
    for (let at = countAt + 1; at <= countAt + count && at < args.length; at++) indices.push(at);
    return indices;
  };
}
