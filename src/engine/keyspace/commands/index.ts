/** The commands of the data model, by group: each file exports an array of rows, and this one joins them. */
import type { CommandSpec } from "../command.ts";
import { COUNTER_COMMANDS } from "./counter.ts";
import { EXPIRY_COMMANDS } from "./expiry.ts";
import { HASH_COMMANDS } from "./hash.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { LCS_COMMANDS } from "./lcs.ts";
import { OBJECT_COMMANDS } from "./object.ts";
import { SCAN_COMMANDS } from "./scan.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { SORT_COMMANDS } from "./sort.ts";
import { STRING_RANGE_COMMANDS } from "./string-range.ts";
import { LIST_COMMANDS } from "./list.ts";
import { SET_COMMANDS } from "./set.ts";
import { SORTED_SET_COMMANDS } from "./sorted-set.ts";
import { STRING_COMMANDS } from "./string.ts";

export const DATA_COMMANDS: readonly CommandSpec[] = [
  ...STRING_COMMANDS,
  ...COUNTER_COMMANDS,
  ...HASH_COMMANDS,
  ...STRING_RANGE_COMMANDS,
  ...LCS_COMMANDS,
  ...KEY_COMMANDS,
  ...EXPIRY_COMMANDS,
  ...SCAN_COMMANDS,
  ...SORT_COMMANDS,
  ...OBJECT_COMMANDS,
  ...SERVER_COMMANDS,
  ...LIST_COMMANDS,
  ...SET_COMMANDS,
  ...SORTED_SET_COMMANDS,
];
