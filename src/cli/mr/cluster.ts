/** Jobs on a cluster, as the command line submits and follows them. */
import { connectFiles } from "../../client/files/connect.ts";
import type { Files } from "../../client/files/files.ts";
import { connectJobs } from "../../client/mapreduce/connect.ts";
import type { JobRun } from "../../client/mapreduce/job-run.ts";
import type { Jobs, OwnSubmission } from "../../client/mapreduce/jobs.ts";
import { StagedFiles } from "../../client/mapreduce/staged-files.ts";
import type { JobReport } from "../../mapreduce/job-api.ts";
import type { CacheFile } from "../../mapreduce/job-spec.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { userName } from "../../runtime/node/user-name.ts";
import { DEFAULT_FS } from "../fs/fs.ts";
import type { Call } from "../verb.ts";
import { displayFor } from "./display.ts";
import type { Shipped } from "./streaming-job.ts";
import { tellEnd } from "./watch-local.ts";

const INTERRUPTED_EXIT = 130;

export interface ClusterPlace {
  readonly url: string;
  readonly user: string;
  readonly password: string | undefined;
}

/** Where jobs and their files are, from flags, environment and the URL itself. */
export function placeOf(call: Pick<Call, "text">): ClusterPlace {
  return clusterPlace(call.text("fs"), call.text("user"), call.text("password"));
}

export function clusterPlace(
  fs: string | undefined,
  user: string | undefined,
  password: string | undefined,
): ClusterPlace {
  const url = fs ?? process.env["QUORATE_FS"] ?? DEFAULT_FS;
  const named = /^\w+:\/\/([^@/]+)@/.exec(url)?.[1];
  return {
    url,
    user: user ?? process.env["HADOOP_USER_NAME"] ?? named ?? userName(),
    password: password ?? process.env["QUORATE_PASSWORD"],
  };
}

export class Cluster {
  readonly place: ClusterPlace;
  readonly jobs: Jobs;
  private readonly files: Files;
  private readonly staged: StagedFiles;

  constructor(place: ClusterPlace) {
    const { url, user, password } = place;
    this.place = place;
    this.jobs = connectJobs(url, { user, ...(password !== undefined && { password }) });
    this.files = connectFiles(url.replace(/^http:/, "webhdfs:"), { user });
    this.staged = new StagedFiles(this.files, user);
  }

  /** A path of the cluster; relative ones are below the user's own directory. */
  path(text: string): string {
    const plain = text.replace(/^(?:webhdfs|hdfs|http):\/\/[^/]*(?=\/)/, "");
    if (/^[a-z]\w*:/i.test(plain))
      throw new QuorateError("USAGE", `${text} is not in ${this.place.url} (--fs)`);
    return plain.startsWith("/") ? plain : `/user/${this.place.user}/${plain.replace(/^\.\//, "")}`;
  }

  /** Stores a bundle by its content, once. */
  storeBundle(code: Uint8Array, sha256: string): Promise<string> {
    return this.staged.bundle(code, sha256);
  }

  /** A file of this machine, stored by its content; one of the cluster stays where it is. */
  async ship({ source, link, archive }: Shipped): Promise<CacheFile> {
    const path = source.includes("://") ? this.path(source) : await this.staged.file(source);
    return { path, link, archive };
  }

  /** Submits and follows it; resolves to the exit code. Ctrl-C leaves the job to itself. */
  async run(
    submission: OwnSubmission,
    { json, background }: { readonly json: boolean; readonly background: boolean },
  ): Promise<number> {
    const run = await this.jobs.run(submission);
    if (background) {
      process.stdout.write(json ? `${JSON.stringify({ type: "submitted", id: run.id })}\n` : `${run.id}\n`);
      return 0;
    }
    return this.follow(run, json);
  }

  async follow(run: JobRun, json: boolean): Promise<number> {
    const display = displayFor(json ? process.stdout : process.stderr, json);
    let last: JobReport | undefined;
    let stop: () => void = () => undefined;
    const interrupted = new Promise<"interrupted">((resolve) => (stop = () => resolve("interrupted")));
    process.once("SIGINT", stop);
    const reports = run[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await Promise.race([reports.next(), interrupted]);
        if (next === "interrupted") {
          display.end();
          process.stderr.write(`${run.id} goes on: quorate mr show ${run.id}, quorate mr kill ${run.id}\n`);
          // What follows the job would keep this process; nothing else is to be done.
          process.exit(INTERRUPTED_EXIT);
        }
        if (next.done === true) break;
        last = next.value;
        if (last.state === "running" || last.state === "committing") display.show(last);
      }
    } finally {
      process.off("SIGINT", stop);
    }
    display.end();
    if (last === undefined) throw new QuorateError("JOB_NOT_FOUND", `nothing is known of ${run.id}`);
    return tellEnd(last, `${this.place.url.replace(/\/$/, "")}${last.output}`, json);
  }

  close(): void {
    this.files.close();
  }
}
