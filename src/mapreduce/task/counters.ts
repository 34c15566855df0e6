/** What a task counts: exactly, because each task's winning attempt counts once. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Counters } from "../job-spec.ts";

/** Group of the system's own counters, and their names: Hadoop's. */
export const TASK_GROUP = "Task";

export interface SystemCounters {
  MAP_INPUT_RECORDS: number;
  MAP_INPUT_BYTES: number;
  MAP_OUTPUT_RECORDS: number;
  MAP_OUTPUT_BYTES: number;
  MAP_OUTPUT_MATERIALIZED_BYTES: number;
  MAP_SKIPPED_RECORDS: number;
  COMBINE_INPUT_RECORDS: number;
  COMBINE_OUTPUT_RECORDS: number;
  SPILLED_RECORDS: number;
  SPILLED_BYTES: number;
  REDUCE_SHUFFLE_BYTES: number;
  REDUCE_INPUT_RECORDS: number;
  REDUCE_INPUT_GROUPS: number;
  REDUCE_SKIPPED_GROUPS: number;
  OUTPUT_RECORDS: number;
  OUTPUT_BYTES: number;
  CPU_MILLISECONDS: number;
}

/** Names that a program may make, so that a mistake does not fill the cluster's memory. */
const NAMES_MAX = 1000;
const NAME_MAX_LENGTH = 200;

export class TaskCounters {
  /** Written to directly: counting a record is one addition. */
  readonly system: SystemCounters = {
    MAP_INPUT_RECORDS: 0,
    MAP_INPUT_BYTES: 0,
    MAP_OUTPUT_RECORDS: 0,
    MAP_OUTPUT_BYTES: 0,
    MAP_OUTPUT_MATERIALIZED_BYTES: 0,
    MAP_SKIPPED_RECORDS: 0,
    COMBINE_INPUT_RECORDS: 0,
    COMBINE_OUTPUT_RECORDS: 0,
    SPILLED_RECORDS: 0,
    SPILLED_BYTES: 0,
    REDUCE_SHUFFLE_BYTES: 0,
    REDUCE_INPUT_RECORDS: 0,
    REDUCE_INPUT_GROUPS: 0,
    REDUCE_SKIPPED_GROUPS: 0,
    OUTPUT_RECORDS: 0,
    OUTPUT_BYTES: 0,
    CPU_MILLISECONDS: 0,
  };
  private readonly groups = new Map<string, Map<string, number>>();
  private names = 0;
  /** What was added since `begin`, so that it can be taken back. */
  private journal: { readonly group: string; readonly name: string; readonly amount: number }[] | undefined;

  /** ARGUMENT_INVALID: no whole number, or a name too long or too many. */
  add(group: string, name: string, amount: number): void {
    if (!Number.isSafeInteger(amount))
      throw new QuorateError("ARGUMENT_INVALID", `a counter grows by whole numbers, not by ${amount}`);
    const names = this.groups.get(group) ?? this.newGroup(group);
    const before = names.get(name) ?? this.newName(name);
    names.set(name, before + amount);
    this.journal?.push({ group, name, amount });
  }

  /** What is added from now on may be taken back. */
  begin(): void {
    this.journal = [];
  }

  keep(): void {
    this.journal = [];
  }

  takeBack(): void {
    for (const { group, name, amount } of this.journal ?? []) {
      const names = this.groups.get(group);
      names?.set(name, (names.get(name) ?? 0) - amount);
    }
    this.journal = [];
  }

  /** Without the system's zeros. */
  snapshot(): Counters {
    const { user, system: kernel } = process.cpuUsage();
    this.system.CPU_MILLISECONDS = Math.round((user + kernel) / 1000);
    const system = Object.entries(this.system as unknown as Record<string, number>);
    const all: Record<string, Record<string, number>> = {
      [TASK_GROUP]: Object.fromEntries(system.filter(([, value]) => value !== 0)),
    };
    for (const [group, names] of this.groups) all[group] = { ...all[group], ...Object.fromEntries(names) };
    return all;
  }

  private newGroup(group: string): Map<string, number> {
    if (group === TASK_GROUP)
      throw new QuorateError("ARGUMENT_INVALID", `counters of the group "${TASK_GROUP}" are the system's`);
    this.checkLength(group);
    const names = new Map<string, number>();
    this.groups.set(group, names);
    return names;
  }

  private newName(name: string): number {
    this.checkLength(name);
    if (++this.names > NAMES_MAX)
      throw new QuorateError("ARGUMENT_INVALID", `more than ${NAMES_MAX} counters`);
    return 0;
  }

  private checkLength(name: string): void {
    if (name === "" || name.length > NAME_MAX_LENGTH)
      throw new QuorateError(
        "ARGUMENT_INVALID",
        `groups and names of counters have 1 to ${NAME_MAX_LENGTH} characters: "${name.slice(0, 50)}"`,
      );
  }
}
