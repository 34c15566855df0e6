/**
 * The directories of a node in which attempts work, in its data directory:
 *
 *   work/ATTEMPT/        what the process makes; of a winning map `output` and `output.index` stay until its job has ended
 *   logs/JOB/ATTEMPT.log what the process wrote to standard output and error, until the job is forgotten
 *   cache/JOB/…          local copies of the job's cache files
 *   programs/SHA256.mjs  bundles
 *   spare/               what processes printed that wait for an attempt (mapreduce/task/spare-tasks.ts)
 *
 * What a process that was killed left behind is looked through at the next start: map outputs that are whole are kept.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import type { Logger } from "../../runtime/world.ts";
import type { AttemptId, JobId } from "../../mapreduce/job-spec.ts";
import { attemptName, attemptNamed } from "../../mapreduce/job-spec.ts";
import { endLeftover } from "../../mapreduce/task/leftover.ts";
import { INDEX_SUFFIX, OUTPUT_NAME, readMapOutputIndex } from "../../mapreduce/task/map-output.ts";
import type { Outcome, WorkArea } from "./doors.ts";

export interface NodeWorkAreaOptions {
  /** Is made, with all in it. */
  readonly directory: string;
  readonly logger: Logger;
}

/** A bundle that is older is fetched again when it is needed. */
const PROGRAM_AGE_MAX_MS = 7 * 24 * 3_600_000;

export class NodeWorkArea implements WorkArea {
  readonly directory: string;
  private readonly logger: Logger;
  private readonly found: AttemptId[] = [];
  /** By name; jobs with something in `work` or `cache`. */
  private readonly attempts = new Map<string, AttemptId>();
  private readonly cached = new Set<JobId>();
  private readonly logs = new Set<JobId>();

  /** Throws DATA_DIRECTORY_UNUSABLE. */
  constructor({ directory, logger }: NodeWorkAreaOptions) {
    this.directory = directory;
    this.logger = logger;
    try {
      for (const name of ["work", "logs", "cache", "programs"]) {
        mkdirSync(join(directory, name), { recursive: true, mode: 0o700 });
      }
      this.lookThrough();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new QuorateError("DATA_DIRECTORY_UNUSABLE", `${directory} cannot be used: ${reason}`, { cause });
    }
  }

  held(): readonly AttemptId[] {
    return this.found;
  }

  begin(attempt: AttemptId, done: Outcome<string>): void {
    const directory = this.pathOf(attempt);
    this.attempts.set(attemptName(attempt), attempt);
    this.logs.add(attempt.job);
    let failure: QuorateError | undefined;
    try {
      mkdirSync(directory, { mode: 0o700 });
      mkdirSync(join(this.directory, "logs", attempt.job), { recursive: true, mode: 0o700 });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const isFull = code === "ENOSPC" || code === "EDQUOT";
      failure = new QuorateError(isFull ? "DISK_FULL" : "DATA_DIRECTORY_UNUSABLE", message, { cause });
    }
    setImmediate(() => (failure === undefined ? done(undefined, directory) : done(failure)));
  }

  end(attempt: AttemptId, keepOutput: boolean): void {
    const directory = this.pathOf(attempt);
    if (keepOutput) return this.removeAllBut(directory, [OUTPUT_NAME, OUTPUT_NAME + INDEX_SUFFIX]);
    this.attempts.delete(attemptName(attempt));
    this.remove(directory);
  }

  dropJob(job: JobId): void {
    for (const [name, attempt] of this.attempts) {
      if (attempt.job !== job) continue;
      this.attempts.delete(name);
      this.remove(this.pathOf(attempt));
    }
    this.cached.delete(job);
    this.remove(join(this.directory, "cache", job));
  }

  forgetJob(job: JobId): void {
    this.logs.delete(job);
    this.remove(join(this.directory, "logs", job));
  }

  working(): Iterable<JobId> {
    const jobs = new Set(this.cached);
    for (const { job } of this.attempts.values()) jobs.add(job);
    return jobs;
  }

  logged(): Iterable<JobId> {
    return [...this.logs];
  }

  /** Where the process of an attempt writes what it prints. */
  logOf(attempt: AttemptId): string {
    return join(this.directory, "logs", attempt.job, `${attemptName(attempt)}.log`);
  }

  /** Where a partition of a map output is; undefined: there is none, or its index is damaged. */
  partitionOf(
    attempt: AttemptId,
    partition: number,
  ): { readonly path: string; readonly offset: number; readonly length: number } | undefined {
    const path = join(this.pathOf(attempt), OUTPUT_NAME);
    try {
      const extent = readMapOutputIndex(path)[partition];
      return extent && { path, offset: extent.offset, length: extent.length };
    } catch {
      return undefined;
    }
  }

  programPath(sha256: string): string {
    return join(this.directory, "programs", `${sha256}.mjs`);
  }

  /** A directory for copies of a job's cache files. */
  cacheOf(job: JobId): string {
    this.cached.add(job);
    return join(this.directory, "cache", job);
  }

  private pathOf(attempt: AttemptId): string {
    return join(this.directory, "work", attemptName(attempt));
  }

  private lookThrough(): void {
    const work = join(this.directory, "work");
    for (const name of readdirSync(work)) {
      const directory = join(work, name);
      const attempt = attemptNamed(name);
      endLeftover(directory);
      if (attempt !== undefined && isWhole(join(directory, OUTPUT_NAME))) {
        this.found.push(attempt);
        this.attempts.set(name, attempt);
      } else {
        rmSync(directory, { recursive: true, force: true });
      }
    }
    const programs = join(this.directory, "programs");
    for (const name of readdirSync(programs)) {
      const path = join(programs, name);
      // Most jobs are run again within days; whatever is not costs another copy.
      if (Date.now() - statSync(path).mtimeMs > PROGRAM_AGE_MAX_MS) rmSync(path, { force: true });
    }
    for (const job of readdirSync(join(this.directory, "cache"))) this.cached.add(job);
    for (const job of readdirSync(join(this.directory, "logs"))) this.logs.add(job);
  }

  private removeAllBut(directory: string, kept: readonly string[]): void {
    void readdir(directory).then(
      (names) => {
        for (const name of names) if (!kept.includes(name)) this.remove(join(directory, name));
      },
      (error: unknown) => this.complain(directory, error),
    );
  }

  private remove(path: string): void {
    rm(path, { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) =>
      this.complain(path, error),
    );
  }

  private complain(path: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.logger.log("warn", "mapreduce.not-removed", { path, error: text });
  }
}

/** What the index names is all there; whether it is undamaged, whoever reads it finds out by its checksums. */
function isWhole(output: string): boolean {
  if (!existsSync(output)) return false;
  try {
    let end = 0;
    for (const { offset, length } of readMapOutputIndex(output)) end = Math.max(end, offset + length);
    return statSync(output).size >= end;
  } catch {
    return false;
  }
}
