/** What redis.call reaches: the commands of the execution that the script runs in, with what scripts may not do. */
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { ReplyError, Status } from "../reply.ts";
import type { Reply } from "../reply.ts";
import type { ScriptHost } from "./lua-engine.ts";

/** Where redis.log goes; it is local and no part of the state. */
export type LogSink = (level: 0 | 1 | 2 | 3, message: string) => void;

const UNKNOWN_COMMAND: ReplyError = new ReplyError("ERR Unknown Redis command called from script");
const WRONG_ARITY: ReplyError = new ReplyError("ERR Wrong number of args calling Redis command from script");
const NOT_ALLOWED: ReplyError = new ReplyError("ERR This Redis command is not allowed from script");
const READ_ONLY: ReplyError = new ReplyError("ERR Write commands are not allowed from read-only scripts.");

/** Commands of a connection that answer alike everywhere, and that scripts call. */
const CONNECTION_REPLIES: Readonly<Record<string, (args: readonly string[]) => Reply>> = {
  ping: (args) => args[1] ?? PONG,
  echo: (args) => args[1]!,
};
const PONG: Status = new Status("PONG");

export function scriptHost(execution: Execution, readOnly: boolean, log: LogSink): ScriptHost {
  const { commands } = execution.keyspace;

  function call(args: readonly string[]): Reply {
    const spec = commands.find(args);
    if (spec === undefined || (spec.subcommands !== undefined && args.length >= 2)) return UNKNOWN_COMMAND;
    const refused = refusal(spec, args);
    if (refused !== undefined) {
      execution.noteRejected(spec);
      return refused;
    }
    const answered = spec.execute === undefined ? CONNECTION_REPLIES[spec.name]?.(args) : undefined;
    if (answered === undefined) return execution.call(args);
    execution.noteCall(spec, args);
    return answered;
  }

  function refusal(spec: CommandSpec, args: readonly string[]): ReplyError | undefined {
    const { arity } = spec;
    if (arity > 0 ? args.length !== arity : args.length < -arity) return WRONG_ARITY;
    if (commands.hasFlag(spec, "noscript")) return NOT_ALLOWED;
    // A message is an effect too: as in Redis, what only reads sends none.
    if (readOnly && (commands.hasFlag(spec, "write") || commands.hasFlag(spec, "pubsub"))) return READ_ONLY;
    return undefined;
  }

  return {
    call,
    knows: (args) => commands.find(args) !== undefined,
    log,
    seed: Math.floor(execution.random() * 0x1_0000_0000),
  };
}
