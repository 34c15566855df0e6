/**
 * runtime/node: the world of a real machine. One file a door: `clock`, `random`, `network` (with `peer-link`, `peer-frame`,
 * `peer-hello`), `disk`, `logger`; this one puts together those that need not be opened.
 */
import { causesOf, isQuorateError } from "../errors.ts";
import type { Logger, World } from "../world.ts";
import { createClock } from "./clock.ts";
import { createRandom } from "./random.ts";

export type LocalWorld = Omit<World, "disk" | "network">;

/** Clock, chance and log of this process, and its end: `onFatal` (default: exit code 1) after a log line. */
export function openLocalWorld(logger: Logger, onFatal: (error: Error) => void = exitAtOnce): LocalWorld {
  return {
    clock: createClock(),
    random: createRandom(),
    logger,
    fatal(error) {
      // What a person has to put right is said in one line; where it was found out helps nobody.
      const expected = isQuorateError(error) && error.code !== "INVARIANT";
      logger.log("error", "node.fatal", {
        error: error.message,
        cause: causesOf(error),
        ...(expected ? {} : { stack: innermost(error).stack }),
      });
      onFatal(error);
      throw error;
    },
  };
}

/** Where it began: the stack of what was caught and passed on says little. */
function innermost(error: Error): Error {
  return error.cause instanceof Error && error.cause !== error ? error.cause : error;
}

function exitAtOnce(): never {
  process.exit(1);
}
