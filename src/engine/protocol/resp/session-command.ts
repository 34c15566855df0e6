/** What a command of the connection itself is: its row in the table, its handler, and what it must wait for. */
import { subcommandHelp } from "../../keyspace/command-replies.ts";
import type {
  CommandDocs,
  CommandFlag,
  CommandGroup,
  CommandSpec,
  KeyPositions,
} from "../../keyspace/command.ts";
import type { Connection } from "./connection.ts";
import type { DEFERRED, Outcome } from "./request.ts";
import type { ServerContext } from "./context.ts";
import type { Route } from "./router.ts";

export interface Call {
  readonly connection: Connection;
  readonly server: ServerContext;
  readonly route: Route;
  /** args[0] is the name as the client sent it. */
  readonly args: readonly string[];
  /** EXEC runs it, and has its reply at once. */
  readonly inExec: boolean;
  /** For a handler that returned DEFERRED: called once. */
  readonly answer: (reply: Outcome) => void;
}

/** May throw a ReplyError. */
export type SessionHandler = (call: Call) => Outcome | typeof DEFERRED;

export interface SessionCommand {
  readonly spec: CommandSpec;
  readonly run: SessionHandler;
  /**
   * What of this connection must have been answered first. `reads`: it writes what they must not see. `writes`: those in
   * the log. `everything`: all commands, because its effect must not overtake a reply. Default: nothing.
   */
  readonly after?: "reads" | "writes" | "everything";
  /** Reads the machine: runs behind a read barrier, after the connection's writes. */
  readonly barrier?: boolean;
  /** Carried out at once inside MULTI instead of being queued (EXEC, DISCARD, MULTI, WATCH, QUIT, RESET). */
  readonly insideMulti?: boolean;
  /**
   * Of a row that has `execute`: whether EXEC puts it into the log with these arguments; if not, it runs here, as it does alone.
   * Default: always.
   */
  readonly logged?: (args: readonly string[]) => boolean;
  /** Refused by EXEC: its replies or its waiting do not fit into one reply. */
  readonly notInExec?: boolean;
}

interface RowExtras {
  readonly complexity?: string;
  readonly keys?: KeyPositions;
  /** For commands that scripts and transactions may call too: carried out where the log is applied. */
  readonly execute?: NonNullable<CommandSpec["execute"]>;
}

const NO_KEYS: KeyPositions = { first: 0, last: 0, step: 0 };

/** A row of the command table in one line; `flags` separated by spaces. */
export function row(
  name: string,
  arity: number,
  flags: string,
  group: CommandGroup,
  since: string,
  summary: string,
  usage = "",
  extras: RowExtras = {},
): CommandSpec {
  const { complexity = "O(1)", keys = NO_KEYS, execute } = extras;
  const docs: CommandDocs = { summary, group, since, complexity, usage };
  const flagList = flags.split(" ").filter((flag) => flag !== "") as CommandFlag[];
  return { name, arity, flags: flagList, keys, docs, ...(execute === undefined ? {} : { execute }) };
}

/** A command of the session with its handler. */
export function command(
  spec: CommandSpec,
  run: SessionHandler,
  options: Omit<SessionCommand, "spec" | "run"> = {},
): SessionCommand {
  return { spec, run, ...options };
}

/** A container of subcommands; HELP is added. `run` answers the bare word, where that is allowed. */
export interface Family {
  readonly spec: CommandSpec;
  readonly commands: readonly SessionCommand[];
}

export function family(
  spec: CommandSpec,
  commands: readonly SessionCommand[],
  bare?: SessionHandler,
): Family {
  const helpName = `${spec.name}|help`;
  const help = row(helpName, 2, "loading stale", spec.docs.group, spec.docs.since, "Lists the subcommands");
  const whole = { ...spec, subcommands: [...commands.map((sub) => sub.spec), help] };
  const lines = subcommandHelp(whole);
  const members = [...commands, command(help, () => lines)];
  return { spec: whole, commands: bare === undefined ? members : [...members, command(whole, bare)] };
}
