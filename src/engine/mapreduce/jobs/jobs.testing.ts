/** Jobs to try things with: short commands, log time by hand, replies unwrapped. */
import { expect } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { JobSettings, JobSpec, Split } from "../../../mapreduce/job-spec.ts";
import { defaultJobSettings } from "../../../mapreduce/job-settings.ts";
import { encodeCommand } from "./command-codec.ts";
import type { CommandOf, CommandType, JobsCommand } from "./commands.ts";
import type { Job } from "./job.ts";
import type { JobsMachine } from "./machine.ts";
import { createJobs } from "./machine.ts";
import type { Replies } from "./replies.ts";
import { Refusal } from "./replies.ts";
import type { JobsCut } from "./snapshot-cut.ts";
import type { HistorySettings } from "./state.ts";

export function specOf(settings: Partial<JobSettings> = {}): JobSpec {
  return {
    name: "count",
    user: "ann",
    program: { type: "module", bundle: "/user/ann/.staging/a.mjs", sha256: "0".repeat(64) },
    inputs: [{ paths: ["/books"], mapper: 0 }],
    output: "/counts",
    settings: { ...defaultJobSettings({ nodes: 3, oneMachine: true }), ...settings },
    properties: {},
    cacheFiles: [],
  };
}

export function splitsOf(count: number): Split[] {
  return Array.from({ length: count }, (_, at) => ({
    path: `/books/${at % 2}.txt`,
    start: at * 100,
    length: 100,
    whole: false,
    mapper: 0,
    nodes: [`n${(at % 3) + 1}`],
  }));
}

export class Trial {
  readonly machine: JobsMachine;
  timeMs = 1_790_000_000_000;
  private submissions = 0;

  constructor(history: Partial<HistorySettings> = {}) {
    this.machine = createJobs(history);
  }

  /** Fails on a refusal. */
  do<Type extends CommandType>(type: Type, given: Omit<CommandOf<Type>, "type">): Replies[Type] {
    const reply = this.apply(type, given);
    if (reply instanceof Refusal) throw new Error(`${type} was refused: ${reply.code}: ${reply.message}`);
    return reply as Replies[Type];
  }

  /** Fails unless the command is refused with this code, and the state is as before. */
  refused<Type extends CommandType>(
    code: Refusal["code"],
    type: Type,
    given: Omit<CommandOf<Type>, "type">,
  ): string {
    const before = this.machine.digest();
    const reply = this.apply(type, given);
    expect(reply).toMatchObject({ code });
    expect(this.machine.digest(), "a refused command changed the state").toBe(before);
    return (reply as Refusal).message;
  }

  /** A job, ready for its tasks. */
  submit(maps: number, settings: Partial<JobSettings> = {}, prepared = true): Job {
    const { job: id } = this.do("submit", {
      submission: `submission-${++this.submissions}`,
      token: "secret",
      spec: JSON.stringify(specOf(settings)),
      splits: splitsOf(maps),
    });
    if (prepared) {
      this.do("staged", { job: id, output: { directory: 1, temporary: 2, marker: 3 }, instead: undefined });
      this.do("prepared", { job: id, marker: 3 });
    }
    return this.machine.job(id)!;
  }

  begin(job: Job, kind: "map" | "reduce", task: number, node = "n1", backup = false): number {
    const attempt = job.task(kind, task)!.attempts.length;
    const [begun] = this.do("assign", {
      assignments: [{ job: job.id, kind, task, attempt, node, life: 7, backup }],
    });
    expect(begun).toBe(true);
    return attempt;
  }

  finish(
    job: Job,
    kind: "map" | "reduce",
    task: number,
    attempt: number,
    given: Partial<CommandOf<"finished">> = {},
  ): boolean {
    const reduces = job.spec.settings.reduces;
    return this.do("finished", {
      attempt: { job: job.id, kind, task, attempt },
      counters: [{ group: "user", name: "records", value: 10 }],
      partitions:
        kind === "map" && reduces > 0 ? Array.from({ length: reduces }, (_, at) => at + 1) : undefined,
      outputRecords: 10,
      files: kind === "reduce" || reduces === 0 ? [{ name: `part-0000${task}`, bytes: 5, records: 1 }] : [],
      skipped: [],
      ...given,
    });
  }

  run(job: Job, kind: "map" | "reduce", task: number, node = "n1"): void {
    expect(this.finish(job, kind, task, this.begin(job, kind, task, node))).toBe(true);
  }

  fail(
    job: Job,
    kind: "map" | "reduce",
    task: number,
    attempt: number,
    given: Partial<CommandOf<"failed">> = {},
  ): boolean {
    return this.do("failed", {
      attempt: { job: job.id, kind, task, attempt },
      message: "it threw",
      stack: undefined,
      record: undefined,
      retryable: true,
      ...given,
    });
  }

  pass(ms: number): this {
    this.timeMs += ms;
    return this;
  }

  /** As a replica that was restored from this one's snapshot. */
  restored(history: Partial<HistorySettings> = {}): JobsMachine {
    const copy = createJobs(history);
    copy.restore(drained(this.machine.snapshot(), 500));
    expect(copy.digest()).toBe(this.machine.digest());
    return copy;
  }

  private apply<Type extends CommandType>(type: Type, given: Omit<CommandOf<Type>, "type">): unknown {
    const command = { type, ...given } as unknown as JobsCommand;
    const decoded = this.machine.decode(encodeCommand(command));
    return this.machine.apply(decoded, { timeMs: (this.timeMs += 1) });
  }
}

export function drained(cut: JobsCut, maxBytes: number): Bytes[] {
  const chunks: Bytes[] = [];
  for (let bytes = cut.next(maxBytes); bytes !== undefined; bytes = cut.next(maxBytes)) {
    expect(bytes.length).toBeLessThanOrEqual(maxBytes);
    chunks.push(bytes);
  }
  return chunks;
}
