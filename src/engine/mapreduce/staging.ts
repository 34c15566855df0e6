/**
 * Programs and files that jobs took along lie below `/user/NAME/.staging`, where their clients stored them by their content. The
 * node that schedules removes what has not been stored or touched for a day and what no job that lives needs.
 */
import { isQuorateError } from "../../runtime/errors.ts";
import type { Clock, Logger, Timer } from "../../runtime/world.ts";
import type { FileSystem } from "../files/file-system.ts";
import type { Caller, FileStatus, Listing } from "../files/namespace/model.ts";
import type { Job } from "./jobs/job.ts";

const USERS = "/user";
const STAGING = ".staging";
/** A client touches what it finds, then submits: a day is more than it takes, and than clocks differ. */
const AGE_MAX_MS = 24 * 3_600_000;
const FIRST_MS = 600_000;
const EVERY_MS = 3_600_000;

export interface StagingOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly jobs: () => Iterable<Job>;
  /** Whether this node is the one that does it at present. */
  readonly leads: () => boolean;
}

export class Staging {
  private readonly options: StagingOptions;
  private timer: Timer;
  private closed = false;

  constructor(options: StagingOptions) {
    this.options = options;
    this.timer = options.clock.setTimer(FIRST_MS, () => this.tick());
  }

  close(): void {
    this.closed = true;
    this.timer.cancel();
  }

  private tick(): void {
    const { files, clock, logger, jobs, leads } = this.options;
    const again = (): void => {
      if (!this.closed) this.timer = clock.setTimer(EVERY_MS, () => this.tick());
    };
    if (!leads()) return again();
    sweepStaging(files, () => neededBy(jobs()), clock.wallMs() - AGE_MAX_MS).then(again, (error: unknown) => {
      // A namespace without a majority, say: there is another hour.
      const text = error instanceof Error ? error.message : String(error);
      logger.log("warn", "mapreduce.staging-not-swept", { error: text });
      again();
    });
  }
}

/** Paths of what jobs that have not ended run and take along. */
function neededBy(jobs: Iterable<Job>): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const { live, spec } of jobs) {
    if (!live) continue;
    if (spec.program.type === "module") needed.add(spec.program.bundle);
    for (const { path } of spec.cacheFiles) needed.add(path);
  }
  return needed;
}

/** Removes files of all users' staging that were last modified before, but for those that are needed. */
export async function sweepStaging(
  files: FileSystem,
  needed: () => ReadonlySet<string>,
  beforeMs: number,
): Promise<void> {
  const superuser: Caller = { user: files.settings().superuser, groups: [] };
  for await (const home of entriesOf(files, USERS, superuser)) {
    const staging =
      home.type === "directory" ? await directoryAt(files, `${home.path}/${STAGING}`) : undefined;
    if (staging === undefined) continue;
    // By the owner's own rights, so that nothing that the user puts in the way leads elsewhere.
    const owner: Caller = { user: staging.owner, groups: [] };
    for await (const entry of entriesOf(files, staging.path, owner)) {
      const isOld = entry.type === "file" && !entry.open && entry.modifiedMs < beforeMs;
      if (isOld && !needed().has(entry.path)) await remove(files, entry, owner);
    }
  }
}

async function directoryAt(files: FileSystem, path: string): Promise<FileStatus | undefined> {
  const superuser: Caller = { user: files.settings().superuser, groups: [] };
  try {
    const status = await files.status(path, superuser, { followLast: false });
    return status.type === "directory" ? status : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function* entriesOf(files: FileSystem, path: string, caller: Caller): AsyncGenerator<FileStatus> {
  for (let after = ""; ;) {
    let page: Listing;
    try {
      page = await files.list(path, caller, after);
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
    yield* page.entries;
    const last = page.entries.at(-1);
    if (page.remaining === 0 || last === undefined) return;
    after = last.path.slice(last.path.lastIndexOf("/") + 1);
  }
}

/** Unless it was touched since: whoever did that counts on it. */
async function remove(files: FileSystem, { path, id, revision }: FileStatus, caller: Caller): Promise<void> {
  const aside = `${path}.removed`;
  try {
    await files.change({
      type: "publish",
      caller,
      expected: [{ path, id, revision }],
      moves: [{ from: path, to: aside }],
      overwrite: true,
      createParents: false,
    });
    await files.change({ type: "delete", caller, path: aside, recursive: false });
  } catch (error) {
    if (isAbsent(error) || (isQuorateError(error) && error.code === "CHANGED_MEANWHILE")) return;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  if (!isQuorateError(error)) return false;
  return (
    error.code === "PATH_NOT_FOUND" || error.code === "ACCESS_DENIED" || error.code === "PARENT_NOT_DIRECTORY"
  );
}
