/** Local copies of what attempts run: bundles by their content, a job's cache files once for all its attempts on this node. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { unpackArchive } from "../../mapreduce/archive/unpack.ts";
import type { JobId, JobSpec } from "../../mapreduce/job-spec.ts";
import type { FileSystem } from "../files/file-system.ts";
import type { JobPrograms, LocalProgram, Outcome } from "./doors.ts";
import type { Job } from "./jobs/job.ts";
import type { NodeWorkArea } from "./node-work-area.ts";

export interface NodeProgramsOptions {
  readonly files: FileSystem;
  readonly area: NodeWorkArea;
}

let partials = 0;

export class NodePrograms implements JobPrograms {
  private readonly options: NodeProgramsOptions;
  /** By job, while it is fetched and after. */
  private readonly fetched = new Map<JobId, Promise<LocalProgram>>();
  private readonly bundles = new Map<string, Promise<string>>();

  constructor(options: NodeProgramsOptions) {
    this.options = options;
  }

  ready(job: Job, done: Outcome<LocalProgram>): void {
    const { area } = this.options;
    const fetching = this.fetched.get(job.id) ?? this.prepare(job.spec, () => area.cacheOf(job.id));
    this.fetched.set(job.id, fetching);
    fetching.then(
      (program) => done(undefined, program),
      (error: unknown) => {
        // The next attempt tries again.
        this.fetched.delete(job.id);
        done(asQuorateError(error));
      },
    );
  }

  /** The local path of a bundle. JOB_INVALID: it is not what its name says. */
  bundle(path: string, sha256: string, user: string): Promise<string> {
    const known = this.bundles.get(sha256);
    if (known !== undefined) return known;
    const fetching = this.fetchBundle(path, sha256, user);
    this.bundles.set(sha256, fetching);
    fetching.catch(() => this.bundles.delete(sha256));
    return fetching;
  }

  /** Jobs that have ended: what was fetched for them is gone. */
  forget(isLive: (job: JobId) => boolean): void {
    for (const job of this.fetched.keys()) if (!isLive(job)) this.fetched.delete(job);
  }

  /** `cacheDirectory`: for copies of cache files, asked for when there are some. */
  async prepare({ program, cacheFiles, user }: JobSpec, cacheDirectory: () => string): Promise<LocalProgram> {
    const bundle =
      program.type === "module" ? await this.bundle(program.bundle, program.sha256, user) : undefined;
    const cache: Record<string, string> = {};
    const directory = cacheFiles.length === 0 ? "" : cacheDirectory();
    for (const [number, { path, link, archive = false }] of cacheFiles.entries()) {
      const copy = join(directory, String(number), basename(path));
      if (!(await exists(copy))) await this.copy(path, user, copy);
      cache[link] = copy;
      if (!archive) continue;
      const unpacked = join(directory, String(number), "unpacked");
      if (!(await exists(unpacked))) {
        // Half of it must not be taken for the whole.
        const partial = `${unpacked}.${partials++}`;
        await unpackArchive(copy, path, partial);
        await rename(partial, unpacked);
      }
      cache[link] = unpacked;
    }
    return { bundle, cache };
  }

  private async fetchBundle(path: string, sha256: string, user: string): Promise<string> {
    const local = this.options.area.programPath(sha256);
    if ((await exists(local)) && (await hashOf(local)) === sha256) return local;
    await this.copy(path, user, local);
    const found = await hashOf(local);
    if (found === sha256) return local;
    await rm(local, { force: true });
    throw new QuorateError("JOB_INVALID", `${path} has the SHA-256 ${found}, and the job says ${sha256}`);
  }

  /** Whole, or not at all. */
  private async copy(path: string, user: string, local: string): Promise<void> {
    await mkdir(dirname(local), { recursive: true, mode: 0o700 });
    const partial = `${local}.${process.pid}.${partials++}`;
    const file = await open(partial, "wx", 0o600);
    try {
      const reader = await this.options.files.read(path, { user, groups: [] });
      for await (const bytes of reader) await file.write(bytes);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    await rename(partial, local);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest("hex");
}

export function asQuorateError(error: unknown): QuorateError {
  if (isQuorateError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return new QuorateError("DISK_FULL", message, { cause: error });
  return new QuorateError("INVARIANT", error instanceof Error ? message : String(error), { cause: error });
}
