/** How often a command was called, how long that took and how it ended; and the same of what scripts called lately. */
import type { CommandSpec } from "./command.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

export class CommandStatistics {
  calls = 0;
  microseconds = 0;
  /** Refused before they were carried out. */
  rejected = 0;
  /** Answered with an error. */
  failed = 0;
  /** Of those that were carried out outside of a transaction. */
  readonly latencies: LatencyHistogram = new LatencyHistogram();

  add({ calls, microseconds, rejected, failed, latencies }: CommandStatistics): void {
    this.calls += calls;
    this.microseconds += microseconds;
    this.rejected += rejected;
    this.failed += failed;
    this.latencies.add(latencies);
  }

  reset(): void {
    this.calls = 0;
    this.microseconds = 0;
    this.rejected = 0;
    this.failed = 0;
    this.latencies.reset();
  }
}

/** What scripts called, by command; used again and again, so that a script costs no new objects. */
export class ScriptTally {
  private readonly bySpec = new Map<CommandSpec, CommandStatistics>();
  private readonly called: CommandSpec[] = [];

  get none(): boolean {
    return this.called.length === 0;
  }

  carriedOut(spec: CommandSpec, microseconds: number, failed: boolean): void {
    const statistics = this.of(spec);
    statistics.calls += 1;
    statistics.microseconds += microseconds;
    if (failed) statistics.failed += 1;
    statistics.latencies.record(microseconds);
  }

  rejected(spec: CommandSpec): void {
    this.of(spec).rejected += 1;
  }

  addAll(other: ScriptTally): void {
    other.forEach((spec, statistics) => this.of(spec).add(statistics));
  }

  forEach(visit: (spec: CommandSpec, statistics: CommandStatistics) => void): void {
    for (const spec of this.called) visit(spec, this.bySpec.get(spec)!);
  }

  clear(): void {
    if (this.none) return;
    for (const spec of this.called) this.bySpec.get(spec)!.reset();
    this.called.length = 0;
  }

  private of(spec: CommandSpec): CommandStatistics {
    let statistics = this.bySpec.get(spec);
    if (statistics === undefined) this.bySpec.set(spec, (statistics = new CommandStatistics()));
    if (statistics.calls === 0 && statistics.rejected === 0) this.called.push(spec);
    return statistics;
  }
}
