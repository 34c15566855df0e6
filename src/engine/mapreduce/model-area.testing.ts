/** The local directories of a machine as a model: they outlive its processes, and lose things when the power fails. */
import { QuorateError } from "../../runtime/errors.ts";
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import type { AttemptId } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import type { Outcome, WorkArea } from "./doors.ts";

export interface KeptOutput {
  readonly id: AttemptId;
  readonly partitions: readonly (readonly string[])[];
}

export class ModelArea {
  full = false;
  /** Directories of attempts that work, or worked. */
  readonly directories = new Map<string, AttemptId>();
  readonly outputs = new Map<string, KeptOutput>();
  readonly logs = new Set<string>();
  private readonly random: SeededRandom;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** What a map attempt leaves. False: there is no space, or its directory has gone. */
  keep(id: AttemptId, directory: string, partitions: KeptOutput["partitions"]): boolean {
    if (this.full || !this.directories.has(directory)) return false;
    this.outputs.set(attemptName(id), { id, partitions });
    return true;
  }

  losePower(): void {
    for (const name of this.outputs.keys()) if (this.random.chance(0.5)) this.outputs.delete(name);
  }

  /** As a process that starts finds it; `later` runs in that process. */
  open(later: (run: () => void) => void): WorkArea {
    // What has no output is of no use to a new process.
    for (const name of this.directories.keys()) if (!this.outputs.has(name)) this.directories.delete(name);
    return {
      held: () => [...this.outputs.values()].map(({ id }) => id),
      begin: (id, done: Outcome<string>) => {
        later(() => {
          if (this.full) return done(new QuorateError("DISK_FULL", "no space left on device"));
          const name = attemptName(id);
          this.directories.set(name, id);
          this.logs.add(id.job);
          done(undefined, name);
        });
      },
      end: (id, keepOutput) => {
        const name = attemptName(id);
        if (keepOutput) return;
        this.directories.delete(name);
        this.outputs.delete(name);
      },
      dropJob: (job) => {
        for (const [name, id] of this.directories) if (id.job === job) this.directories.delete(name);
        for (const [name, { id }] of this.outputs) if (id.job === job) this.outputs.delete(name);
      },
      forgetJob: (job) => void this.logs.delete(job),
      working: () =>
        new Set([
          ...[...this.directories.values()].map(({ job }) => job),
          ...[...this.outputs.values()].map(({ id }) => id.job),
        ]),
      logged: () => new Set(this.logs),
    };
  }
}
