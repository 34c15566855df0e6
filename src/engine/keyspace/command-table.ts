/** The command table: lookup by name without regard to case, subcommands, arity, and where the keys are. */
import { assert } from "../../runtime/errors.ts";
import type { CommandFlag, CommandSpec } from "./command.ts";
import { echoed, ReplyError, wrongArguments } from "./reply.ts";

/** How much of a client's arguments the error for an unknown command repeats. */
const ECHOED_LENGTH = 128;

export class CommandTable {
  readonly specs: readonly CommandSpec[];
  private readonly byName = new Map<string, CommandSpec>();
  private readonly flags = new Map<CommandSpec, ReadonlySet<CommandFlag>>();
  private readonly reading = new Set<CommandSpec>();

  constructor(specs: readonly CommandSpec[]) {
    this.specs = specs;
    for (const spec of specs) {
      this.add(spec.name, spec);
      for (const sub of spec.subcommands ?? []) this.add(sub.name, sub);
    }
  }

  /** By full name ("get", "client|list"), in any case; a container when only its first word is given. */
  byFullName(name: string): CommandSpec | undefined {
    return this.byName.get(name) ?? this.byName.get(name.toLowerCase());
  }

  /** The command that these arguments call: a subcommand, where there are subcommands and the second word names one. */
  find(args: readonly string[]): CommandSpec | undefined {
    const spec = this.byFullName(args[0] ?? "");
    if (spec?.subcommands === undefined || args.length < 2) return spec;
    return this.byName.get(`${spec.name}|${args[1]!.toLowerCase()}`) ?? spec;
  }

  /** The command to execute, or the error that Redis answers: unknown command or subcommand, wrong number of arguments. */
  resolve(args: readonly string[]): CommandSpec | ReplyError {
    const spec = this.find(args);
    if (spec === undefined) return unknownCommand(args);
    if (spec.subcommands !== undefined && args.length >= 2) return unknownSubcommand(spec, args[1]!);
    const { arity } = spec;
    if (arity > 0 ? args.length !== arity : args.length < -arity) return wrongArguments(spec.name);
    return spec;
  }

  /** True when a command changes nothing, so that it may be answered from one replica without the log. */
  readsOnly(spec: CommandSpec): boolean {
    return this.reading.has(spec);
  }

  hasFlag(spec: CommandSpec, flag: CommandFlag): boolean {
    return this.flags.get(spec)?.has(flag) ?? false;
  }

  /** Indices into `args` at which the keys are. */
  keyIndices(spec: CommandSpec, args: readonly string[]): readonly number[] {
    if (spec.findKeys !== undefined) return spec.findKeys(args);
    const { first, last, step } = spec.keys;
    const indices: number[] = [];
    if (first === 0) return indices;
    const end = last < 0 ? args.length + last : Math.min(last, args.length - 1);
    for (let at = first; at <= end; at += step) indices.push(at);
    return indices;
  }

  private add(name: string, spec: CommandSpec): void {
    assert(name === name.toLowerCase(), `command name in lower case: ${name}`);
    assert(!this.byName.has(name), `one command of each name: ${name}`);
    this.byName.set(name, spec);
    // Most clients write names in capitals: found without making a lower-case copy.
    this.byName.set(name.toUpperCase(), spec);
    this.flags.set(spec, new Set(spec.flags));
    const { flags, docs } = spec;
    const harmless = docs.group === "server" || docs.group === "connection";
    if (flags.includes("readonly") || (harmless && !flags.includes("write"))) this.reading.add(spec);
  }
}

export function unknownCommand(args: readonly string[]): ReplyError {
  let beginning = "";
  for (let i = 1; i < args.length && beginning.length < ECHOED_LENGTH; i++) {
    beginning += `'${echoed(args[i]!, ECHOED_LENGTH - beginning.length)}' `;
  }
  const name = echoed(args[0] ?? "", ECHOED_LENGTH);
  return new ReplyError(`ERR unknown command '${name}', with args beginning with: ${beginning}`);
}

export function unknownSubcommand(spec: CommandSpec, subcommand: string): ReplyError {
  return new ReplyError(
    `ERR unknown subcommand '${echoed(subcommand, ECHOED_LENGTH)}'. Try ${spec.name.toUpperCase()} HELP.`,
  );
}
