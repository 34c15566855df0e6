/** Commands into the log of jobs, and again until they took effect where that is what is wanted. */
import type { QuorateError } from "../../runtime/errors.ts";
import type { Clock, Timer } from "../../runtime/world.ts";
import type { JobsLog } from "./doors.ts";
import { encodeCommand } from "./jobs/command-codec.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { JobsReply } from "./jobs/replies.ts";

const RETRY_MS = 200;

/** Puts one command into the log. */
export function propose(
  log: JobsLog,
  command: JobsCommand,
  done: (reply: JobsReply | undefined, error: QuorateError | undefined) => void = () => undefined,
): void {
  log.propose(command, encodeCommand(command), done);
}

/**
 * Puts a command into the log until it was applied, or `wanted` says that the state no longer needs it. To be used with commands
 * that change nothing the second time. Returns what ends it; `done` is then not called.
 */
export function persist(
  log: JobsLog,
  clock: Clock,
  command: JobsCommand,
  wanted: () => boolean,
  done: (reply: JobsReply | undefined) => void = () => undefined,
): () => void {
  let timer: Timer | undefined;
  let ended = false;
  const attempt = (): void => {
    if (ended) return;
    if (!wanted()) return finish(undefined);
    propose(log, command, (reply, error) => {
      if (ended) return;
      if (error === undefined) return finish(reply);
      timer = clock.setTimer(RETRY_MS, attempt);
    });
  };
  const finish = (reply: JobsReply | undefined): void => {
    ended = true;
    done(reply);
  };
  attempt();
  return () => {
    ended = true;
    timer?.cancel();
  };
}
