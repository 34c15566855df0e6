/** The commands of the data model, by group: each file exports an array of rows, and this one joins them. */
import type { CommandSpec } from "../command.ts";
import { COUNTER_COMMANDS } from "./counter.ts";
import { HASH_COMMANDS } from "./hash.ts";
import { STRING_COMMANDS } from "./string.ts";

export const DATA_COMMANDS: readonly CommandSpec[] = [
  ...STRING_COMMANDS,
  ...COUNTER_COMMANDS,
  ...HASH_COMMANDS,
];
