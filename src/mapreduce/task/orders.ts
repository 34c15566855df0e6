/**
 * What passes between who runs tasks (a node's worker, or the local runner) and the process of one attempt, over the
 * channel of `fork`. The process does one order and ends; whoever started it may end it at any time, and nothing that it
 * wrote counts until its `done` was accepted.
 */
import type { AttemptId, Counters, JobSpec, Split } from "../job-spec.ts";

/** The last argument of a process that is to load what it needs before it has an order. */
export const EARLY = "early";

interface OrderBase {
  readonly spec: JobSpec;
  readonly attempt: AttemptId;
  /** Exists, is empty, and is this attempt's alone; removed by who started the attempt. */
  readonly directory: string;
  /** `webhdfs://…` of a node near by, or `file:///`: what `connectFiles` takes. */
  readonly fileSystem: string;
  /** Local path of the program's bundle, when it is a module. */
  readonly bundle: string | undefined;
  /** Local paths of cache files by link; the process links them into its directory. */
  readonly cache: Readonly<Record<string, string>>;
  /** Records of the split (groups of the partition) that earlier attempts died of, and that may be skipped: indices, ascending. */
  readonly skip: readonly number[];
  /**
   * Note on disk which record is at hand, which costs a few microseconds each: an attempt that then dies without a word (memory,
   * time) fails with that record. For attempts after one that died so (`diedSilently`). Default false.
   */
  readonly trace?: boolean;
}

export interface MapOrder extends OrderBase {
  readonly type: "map";
  readonly split: Split;
  /** 0: the job has no reduces; output goes to `output`. */
  readonly partitions: number;
  /** Path of the attempt's own output directory in the file system (`OUTPUT/_temporary/ATTEMPT`). */
  readonly output: string;
}

/** Where the output of a map attempt lies. */
export type MapOutputSource = {
  readonly map: number;
  readonly attempt: number;
} &
  /** Path of `output` on this machine, its index beside it. */
  (
    | { readonly file: string }
    /**
     * `http://node:port/mapreduce/…`: answers a GET with the partition's bytes (`readMapOutputIndex`) and their Content-Length.
     * `authorization` goes with the request, "" for none.
     */
    | { readonly url: string; readonly authorization: string }
  );

export interface ReduceOrder extends OrderBase {
  readonly type: "reduce";
  readonly partition: number;
  /** Maps of the job; the reduce begins when it has fetched so many. */
  readonly maps: number;
  /** Known already; others follow as `sources`. */
  readonly sources: readonly MapOutputSource[];
  readonly output: string;
}

/**
 * Read a little of the input and run the mappers on it, to learn how keys are spread: the ranges of a total order, and what a
 * dry run tells. Nothing is written.
 */
export interface SampleOrder extends OrderBase {
  readonly type: "sample";
  /** All splits of the job: some are read, the same ones each time. */
  readonly splits: readonly Split[];
  readonly partitions: number;
}

/** What is done by a process. */
export type TaskOrder = MapOrder | ReduceOrder | SampleOrder;

/** To the process. */
export type Order =
  | TaskOrder
  /** More map outputs, or other ones for maps whose output was lost. */
  | { readonly type: "sources"; readonly sources: readonly MapOutputSource[] };

/** A file that a finished attempt leaves in its output directory, relative: `part-00000`, `errors-00000`. */
export interface OutputFile {
  readonly name: string;
  readonly bytes: number;
  readonly records: number;
}

/** What a map attempt left in its local directory: `output` and `output.index` (`map-output.ts`). */
export interface MapOutput {
  /** Bytes per partition, as stored. */
  readonly partitions: readonly number[];
  /** Records per partition. */
  readonly records: readonly number[];
}

/** What sampling found. */
export interface Sample {
  /** For `JobSpec.ranges`; undefined: the job asks for no total order. There are fewer than partitions - 1 when keys are few. */
  readonly ranges: readonly string[] | undefined;
  /** Records and bytes of the input that were read. */
  readonly inputRecords: number;
  readonly inputBytes: number;
  /** What the mappers emitted, before any combiner. */
  readonly outputRecords: number;
  readonly outputBytes: number;
  /** Of the emitted bytes, the part that each partition gets (0 to 1, in sum 1): how even the reduces will be. */
  readonly shares: readonly number[];
}

/** From the process. */
export type Report =
  | {
      readonly type: "progress";
      /** 0 to 1 of the attempt. */
      readonly fraction: number;
      readonly phase: "map" | "sort" | "shuffle" | "merge" | "reduce" | "write";
      readonly status: string | undefined;
      readonly counters: Counters;
    }
  /** The output of a map attempt cannot be fetched, after retries, or is damaged. */
  | { readonly type: "fetchFailed"; readonly map: number; readonly attempt: number; readonly reason: string }
  | {
      readonly type: "done";
      readonly counters: Counters;
      /** Of a map with reduces. */
      readonly mapOutput: MapOutput | undefined;
      /** Of a sample. */
      readonly sample?: Sample;
      readonly files: readonly OutputFile[];
      /** Indices of the records that were skipped. */
      readonly skipped: readonly number[];
    }
  | {
      readonly type: "failed";
      /** One line. */
      readonly message: string;
      /** The user's stack, mapped to the source it was written in. */
      readonly stack: string | undefined;
      /**
       * The record that the user's code failed on: its index in the split (of a reduce: the group's in the partition), and its
       * text (the group's key), cut to 200 characters. Undefined: it was no record's fault.
       */
      readonly record: { readonly index: number; readonly text: string } | undefined;
      /** False: another attempt will fail alike (the program cannot be loaded, the output cannot be written by this user). */
      readonly retryable: boolean;
    };
