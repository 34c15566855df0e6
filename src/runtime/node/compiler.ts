/**
 * Room for the compiler of a busy node.
 *
 * V8 copies functions that are called often into those that call them, up to bounds that suit small programs. A command passes
 * through some dozens of small functions, each in the room where it belongs; with higher bounds that costs less: measured with
 * 256 clients that write to three nodes, 3 % more commands.
 */
import { setFlagsFromString } from "node:v8";

/** The bounds are 460 for one function, and 920 for all of them in one caller, in units of bytecode. */
export const INLINING_FLAGS: readonly string[] = [
  "--max-inlined-bytecode-size=1000",
  "--max-inlined-bytecode-size-cumulative=3000",
];

/** For a process that is a node and nothing else, before it has work to do. */
export function inlineMore(): void {
  for (const flag of INLINING_FLAGS) setFlagsFromString(flag);
}
