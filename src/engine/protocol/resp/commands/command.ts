/** COMMAND: the one table, told to clients. */
import {
  commandAll,
  commandCount,
  commandDocs,
  commandGetKeys,
  commandGetKeysAndFlags,
  commandInfo,
  commandList,
} from "../../../keyspace/command-replies.ts";
import type { Family } from "../session-command.ts";
import { command, family, row } from "../session-command.ts";

const FLAGS = "loading stale";
const group = "server";
const NAMES = "[command-name [command-name ...]]";
const complexity = "O(N), N commands";

export const COMMAND_FAMILY: Family = family(
  row("command", -1, FLAGS, group, "2.8.13", "Tells about all commands", "", { complexity }),
  [
    command(row("command|count", 2, FLAGS, group, "2.8.13", "Counts the commands"), ({ server }) =>
      commandCount(server.router.table),
    ),
    command(
      row("command|docs", -2, FLAGS, group, "7.0.0", "What commands are for", NAMES, { complexity }),
      ({ server, args }) => commandDocs(server.router.table, args.slice(2)),
    ),
    command(
      row("command|info", -2, FLAGS, group, "2.8.13", "Arity, flags and keys of commands", NAMES, {
        complexity,
      }),
      ({ server, args }) => commandInfo(server.router.table, args.slice(2)),
    ),
    command(
      row(
        "command|list",
        -2,
        FLAGS,
        group,
        "7.0.0",
        "Lists names",
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        { complexity },
      ),
      ({ server, args }) => commandList(server.router.table, args.slice(2)),
    ),
    command(
      row(
        "command|getkeys",
        -4,
        FLAGS,
        group,
        "2.8.13",
        "Which arguments are keys",
        "command [arg [arg ...]]",
      ),
      ({ server, args }) => commandGetKeys(server.router.table, args.slice(2)),
    ),
    command(
      row(
        "command|getkeysandflags",
        -4,
        FLAGS,
        group,
        "7.0.0",
        "Which arguments are keys, and what is done with them",
        "command [arg [arg ...]]",
      ),
      ({ server, args }) => commandGetKeysAndFlags(server.router.table, args.slice(2)),
    ),
  ],
  ({ server }) => commandAll(server.router.table),
);
