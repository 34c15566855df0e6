/** From a command's words to its row in the table, what kind of work it is, and its statistics. */
import { CommandStatistics, type ScriptTally } from "../../keyspace/command-statistics.ts";
import { unknownCommand, unknownSubcommand } from "../../keyspace/command-table.ts";
import type { CommandTable } from "../../keyspace/command-table.ts";
import type { CommandSpec } from "../../keyspace/command.ts";
import type { ReplyError } from "../../keyspace/reply.ts";
import { wrongArguments } from "../../keyspace/reply.ts";
import type { SessionCommand } from "./session-command.ts";

export interface Route {
  readonly spec: CommandSpec;
  /** `read`: answered from the local machine behind a barrier. `write`: goes through the log. `session`: this server's own. */
  readonly kind: "read" | "write" | "session";
  readonly session: SessionCommand | undefined;
  readonly subroutes: ReadonlyMap<string, Route> | undefined;
  readonly allowedBeforeAuth: boolean;
  readonly refusedInMulti: boolean;
  /** Not shown to MONITOR: too dangerous, as Redis has it. */
  readonly hidden: boolean;
  /** Times are from arrival to reply, the wait for the log included; of what a script called, those of the call. */
  readonly statistics: CommandStatistics;
}

/** Spellings of names that are remembered, so that a hostile client cannot fill the map with cases. */
const SPELLINGS_MAX = 10_000;

export class Router {
  readonly table: CommandTable;
  private readonly bySpelling = new Map<string, Route>();
  private readonly byName = new Map<string, Route>();
  private readonly bySpec = new Map<CommandSpec, Route>();

  constructor(table: CommandTable, sessionCommands: ReadonlyMap<string, SessionCommand>) {
    this.table = table;
    for (const spec of table.specs) {
      const route = routeOf(spec, table, sessionCommands);
      this.byName.set(spec.name, route);
      for (const each of [route, ...(route.subroutes?.values() ?? [])]) this.bySpec.set(each.spec, each);
    }
  }

  /** The command to carry out, or the error that Redis answers. */
  find(args: readonly string[]): Route | ReplyError {
    const word = args[0] as string;
    let route = this.bySpelling.get(word);
    if (route === undefined) {
      route = this.byName.get(word.toLowerCase());
      if (route === undefined) return unknownCommand(args);
      if (this.bySpelling.size < SPELLINGS_MAX) this.bySpelling.set(word, route);
    }
    if (route.subroutes !== undefined && args.length >= 2) {
      const sub = route.subroutes.get((args[1] as string).toLowerCase());
      if (sub === undefined) return unknownSubcommand(route.spec, args[1] as string);
      route = sub;
    }
    const { arity } = route.spec;
    if (arity > 0 ? args.length !== arity : args.length < -arity) {
      route.statistics.rejected += 1;
      return wrongArguments(route.spec.name);
    }
    return route;
  }

  /** The command of this full name, in any case, and its subcommands. */
  named(name: string): readonly Route[] {
    const lower = name.toLowerCase();
    const route = this.byName.get(lower.split("|", 1)[0]!);
    const family = route === undefined ? [] : [route, ...(route.subroutes?.values() ?? [])];
    return lower.includes("|") ? family.filter(({ spec }) => spec.name === lower) : family;
  }

  /** Every command and subcommand that was called. */
  *called(): Generator<Route> {
    for (const route of this.byName.values()) {
      if (used(route)) yield route;
      for (const sub of route.subroutes?.values() ?? []) if (used(sub)) yield sub;
    }
  }

  resetStatistics(): void {
    for (const { statistics } of this.called()) statistics.reset();
  }

  /** Counts what scripts of this node's clients called; gives how many calls were carried out. */
  count(tally: ScriptTally): number {
    let calls = 0;
    tally.forEach((spec, statistics) => {
      calls += statistics.calls;
      this.bySpec.get(spec)?.statistics.add(statistics);
    });
    return calls;
  }
}

function used(route: Route): boolean {
  const { calls, rejected, failed, latencies } = route.statistics;
  return latencies.total > 0 || calls > 0 || rejected > 0 || failed > 0;
}

function routeOf(
  spec: CommandSpec,
  table: CommandTable,
  sessionCommands: ReadonlyMap<string, SessionCommand>,
): Route {
  const session = sessionCommands.get(spec.name);
  const flags = new Set(spec.flags);
  const subroutes =
    spec.subcommands === undefined
      ? undefined
      : new Map(
          spec.subcommands.map((sub) => [
            sub.name.slice(spec.name.length + 1),
            routeOf(sub, table, sessionCommands),
          ]),
        );
  const kind = session !== undefined ? "session" : table.readsOnly(spec) ? "read" : "write";
  return {
    spec,
    kind,
    session,
    subroutes,
    allowedBeforeAuth: flags.has("no_auth"),
    refusedInMulti: flags.has("no_multi"),
    hidden: flags.has("admin"),
    statistics: new CommandStatistics(),
  };
}
