/**
 * What a job is, as it is submitted, kept in the log and given to its tasks: plain data, no code. The code lies in the file
 * system (or, run locally, beside it) as a bundle named by its content.
 */

/** Where the records of a job come from. Several inputs may have mappers of their own. */
export interface InputSpec {
  /** Absolute paths or globs (`/books/*.txt`); a directory stands for the files in it, hidden ones (`_`, `.`) left out. */
  readonly paths: readonly string[];
  /** Which of the program's inputs reads them; 0 when it has one. */
  readonly mapper: number;
  /** Files are not to be split, whatever their size: the format reads them from their beginning. Default false. */
  readonly whole?: boolean;
  /** No two files go to one map, however small: the program asks which file it reads. Default false. */
  readonly alone?: boolean;
}

/** A file that every task finds in its working directory under `link`. */
export interface CacheFile {
  readonly path: string;
  readonly link: string;
  /** Unpacked (`.zip`, `.tar`, `.tar.gz`, `.tgz`, `.jar`) into a directory named `link`. Default false. */
  readonly archive?: boolean;
}

/** What a task runs. */
export type Program =
  /** A bundled module whose default export is a job (`job.ts`). */
  | { readonly type: "module"; readonly bundle: string; readonly sha256: string }
  /** Executables as Hadoop Streaming runs them; commands are unparsed. */
  | {
      readonly type: "streaming";
      readonly mapper: string;
      /** Undefined: the identity; "NONE": a job of maps only. */
      readonly reducer?: string;
      readonly combiner?: string;
      readonly partitioner?: string;
      readonly inputFormat?: string;
      readonly outputFormat?: string;
      readonly lazyOutput?: boolean;
      readonly io?: "text" | "rawbytes" | "typedbytes";
      /** `-cmdenv`. */
      readonly environment: Readonly<Record<string, string>>;
    };

/** Bounds and habits of a job. Everything has a default (`job-settings.ts`); a submission names what it changes. */
export interface JobSettings {
  /** Reduce tasks; 0: maps only, and their output is the job's. Default 1 per two nodes, at least 1. */
  readonly reduces: number;
  /** Bytes of a split that are wanted; default: the block size of the file. */
  readonly splitSize: number | undefined;
  /** Attempts of one task before the job fails. Default 4. */
  readonly attempts: number;
  /** An attempt that says nothing for so long is ended, milliseconds. Default 600,000. */
  readonly progressTimeoutMs: number;
  /** Bytes of memory of one task process. Default 256 MiB. */
  readonly memory: number;
  /** Backup attempts for stragglers. Default true. */
  readonly speculative: boolean;
  /** Compression of map outputs. Default "none" when all nodes are one machine, else "gzip". */
  readonly compress: "none" | "gzip";
  /** Records that may be skipped because the user's code throws on them, per task. Default 0: the attempt fails. */
  readonly skipRecords: number;
  /** Replication of the output files; undefined: the file system's default. */
  readonly outputReplication: number | undefined;
}

export interface JobSpec {
  /** For people. Default: the program's name. */
  readonly name: string;
  readonly user: string;
  readonly program: Program;
  readonly inputs: readonly InputSpec[];
  /** Directory that must not exist yet. */
  readonly output: string;
  readonly settings: JobSettings;
  /** `-D k=v`: reach tasks as properties (and streaming's as environment). */
  readonly properties: Readonly<Record<string, string>>;
  readonly cacheFiles: readonly CacheFile[];
  /** Partitions are ranges of keys: `ranges` are sampled (a `sample` order) before the job begins. Default false. */
  readonly totalOrder?: boolean;
  /**
   * For a total order: the upper bounds (exclusive, as encoded keys) of all partitions but the last, sampled at submission.
   * Base64 each. Undefined: keys are partitioned by hash or by the program.
   */
  readonly ranges?: readonly string[];
}

/** A piece of a file. */
export interface SplitPiece {
  readonly path: string;
  /** Bytes, in the file. A record belongs to the split in which it begins. */
  readonly start: number;
  readonly length: number;
  /** Whole files only (gzip, JSON documents): `start` is 0 and `length` the file's. */
  readonly whole: boolean;
}

/** A piece of the input, read by one map task. */
export interface Split extends SplitPiece {
  /** Small files that are read behind it by the same task, because a task of its own would cost each more than its bytes. */
  readonly also?: readonly SplitPiece[];
  readonly mapper: number;
  /** Nodes that hold it, best first; empty: anywhere. */
  readonly nodes: readonly string[];
}

/** Such as `/books/a.txt:0+134217728`, and how many small files are read behind it. */
export function splitName({ path, start, length, also = [] }: Split): string {
  const more = also.length === 0 ? "" : ` and ${also.length} more`;
  return `${path}:${start}+${length}${more}`;
}

export type TaskKind = "map" | "reduce";

/** Such as `job_20261125_0007`: the day of submission (log time, UTC) and a number that only grows. */
export type JobId = string;

/** One try at one task. */
export interface AttemptId {
  readonly job: JobId;
  readonly kind: TaskKind;
  /** Index of the split, or the partition. */
  readonly task: number;
  /** From 0. */
  readonly attempt: number;
}

/** Hadoop's spelling: `attempt_20261125_0007_m_000003_0`. */
export function attemptName({ job, kind, task, attempt }: AttemptId): string {
  return `attempt_${job.replace(/^job_/, "")}_${kind === "map" ? "m" : "r"}_${String(task).padStart(6, "0")}_${attempt}`;
}

const ATTEMPT_NAME = /^attempt_(\d{8}_\d{4,})_([mr])_(\d{6,})_(\d{1,9})$/;

/** The attempt of a name; undefined: it is none of a cluster's. */
export function attemptNamed(name: string): AttemptId | undefined {
  const [, job, kind, task, attempt] = ATTEMPT_NAME.exec(name) ?? [];
  if (job === undefined) return undefined;
  const id: AttemptId = {
    job: `job_${job}`,
    kind: kind === "m" ? "map" : "reduce",
    task: Number(task),
    attempt: Number(attempt),
  };
  // One name for one attempt.
  return attemptName(id) === name ? id : undefined;
}

/** Group, name, value. Groups of the system begin with a capital letter, as Hadoop's; a user's are their own. */
export type Counters = Readonly<Record<string, Readonly<Record<string, number>>>>;
