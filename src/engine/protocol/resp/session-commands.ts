/** All commands of the connection and the server: their rows for the one command table, and their handlers. */
import type { CommandSpec } from "../../keyspace/command.ts";
import { CLIENT_FAMILY } from "./commands/client.ts";
import { CLUSTER_FAMILY } from "./commands/cluster.ts";
import { COMMAND_FAMILY } from "./commands/command.ts";
import { CONFIG_FAMILY } from "./commands/config.ts";
import { CONNECTION_COMMANDS } from "./commands/connection.ts";
import { INFO_COMMANDS } from "./commands/info.ts";
import { PUBSUB_COMMANDS, PUBSUB_FAMILY } from "./commands/pubsub.ts";
import { QUORATE_FAMILY } from "./commands/quorate.ts";
import { SAVING_COMMANDS } from "./commands/saving.ts";
import {
  DEBUG_FAMILY,
  LATENCY_FAMILY,
  MEMORY_FAMILY,
  MEMORY_USAGE,
  SERVER_COMMANDS,
  SLOWLOG_FAMILY,
  TIME_HANDLER,
} from "./commands/server.ts";
import { TRANSACTION_COMMANDS } from "./commands/transaction.ts";
import type { SessionCommand, SessionHandler } from "./session-command.ts";

const SINGLE: readonly SessionCommand[] = [
  ...CONNECTION_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...PUBSUB_COMMANDS,
  ...INFO_COMMANDS,
  ...SERVER_COMMANDS,
  ...SAVING_COMMANDS,
];

const MEMORY_WITH_USAGE = {
  ...MEMORY_FAMILY,
  spec: { ...MEMORY_FAMILY.spec, subcommands: [MEMORY_USAGE, ...(MEMORY_FAMILY.spec.subcommands ?? [])] },
};

const FAMILIES = [
  CLIENT_FAMILY,
  CLUSTER_FAMILY,
  COMMAND_FAMILY,
  CONFIG_FAMILY,
  DEBUG_FAMILY,
  LATENCY_FAMILY,
  MEMORY_WITH_USAGE,
  PUBSUB_FAMILY,
  QUORATE_FAMILY,
  SLOWLOG_FAMILY,
] as const;

/** Rows to be joined with those of the data model: `createKeyspace({ commands: [...DATA_COMMANDS, ...SESSION_SPECS] })`. */
export const SESSION_SPECS: readonly CommandSpec[] = [
  ...SINGLE.map(({ spec }) => spec),
  ...FAMILIES.map(({ spec }) => spec),
];

/** Handlers for rows of the data model that a connection can answer better. */
const OVERRIDES: Readonly<Record<string, SessionHandler>> = { time: TIME_HANDLER };

/** Handlers by full name. */
export function sessionCommands(dataSpecs: readonly CommandSpec[]): ReadonlyMap<string, SessionCommand> {
  const commands = [...SINGLE, ...FAMILIES.flatMap((member) => member.commands)];
  const byName = new Map(commands.map((command) => [command.spec.name, command]));
  for (const spec of dataSpecs) {
    const run = OVERRIDES[spec.name];
    if (run !== undefined) byName.set(spec.name, { spec, run });
  }
  return byName;
}
