/** The usual places of keys among a command's arguments. */
import type { KeyPositions } from "../command.ts";

export const NO_KEYS: KeyPositions = { first: 0, last: 0, step: 0 };
export const ONE_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
export const TWO_KEYS: KeyPositions = { first: 1, last: 2, step: 1 };
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };
/** key value key value… */
export const KEYS_WITH_VALUES: KeyPositions = { first: 1, last: -1, step: 2 };
