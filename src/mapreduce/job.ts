/**
 * A job as a program writes it: one module whose default export is `job({ … })`, typed from the records of the input through
 * map, combine, partition, sort and reduce to the output.
 *
 * The value is plain: data and functions, no classes. The module is bundled with a copy of this file, and the task that runs
 * it may be of another copy; they know each other by `quorateJob`.
 */
import { QuorateError } from "../runtime/errors.ts";
import type { Codec } from "./codec/codec.ts";
import type { TupleCodec } from "./codec/composite.ts";
import type { InputFormat } from "./input/format.ts";
import { notePlace } from "./job-place.ts";
import type { JobSettings } from "./job-spec.ts";
import type { OutputFormat } from "./output/format.ts";

/** What the program's code and the task's agree on. */
export const JOB_VERSION = 1;

/** Folds done without calling the program: numbers that are summed, counted, or of which the least or greatest is wanted. */
export interface Fold {
  readonly fold: "sum" | "count" | "min" | "max";
}
export const sum: Fold = { fold: "sum" };
/** How many values there are, whatever they are. */
export const count: Fold = { fold: "count" };
export const min: Fold = { fold: "min" };
export const max: Fold = { fold: "max" };

/** As a reducer: every key and value as they are, in order. */
export const identity: { readonly identity: true } = { identity: true };

/** What a task tells about itself, and is told. */
export interface Task {
  /** Such as `attempt_20261125_0007_m_000003_0`. */
  readonly attempt: string;
  /** Index of the split, or the partition. */
  readonly index: number;
  /** `-D` properties of the job. */
  readonly properties: Readonly<Record<string, string>>;
  /** The attempt's own directory, with the cache files under their links; gone when it ends. */
  readonly directory: string;
  /** Of a map: the file of the record at hand; of a reduce "". */
  readonly path: string;
  /** Of a map: where the record at hand begins in the file; of a reduce 0. */
  readonly position: number;
  /** Adds to a counter of the job: it counts in the winning attempt of each task, once. At most 1,000 names. */
  count(group: string, name: string, amount?: number): void;
  /** Shown to who watches the job. */
  status(text: string): void;
  /** Says that the task lives, where one record takes longer than the job's `progressTimeoutMs`. */
  progress(): void;
}

type Formats = Readonly<Record<string, OutputFormat<readonly never[]>>>;
type RecordOf<F> = F extends OutputFormat<infer A> ? A : never;

/** More outputs than the first, each in files of its own name. */
export interface NamedOutputs<N extends Formats> {
  /** The output `name`: files `name-00000`, `name-00001`, …; those of maps before a reduce `name-m-00000`. */
  to<const S extends keyof N & string>(name: S): Output<RecordOf<N[S]>>;
}

export interface Output<A extends readonly unknown[]> {
  emit(...record: A): void;
}

export interface MapOutput<K, V, N extends Formats> extends NamedOutputs<N> {
  emit(key: K, value: V): void;
}

/** Keys as bytes that are theirs in the codec of the job: a `text` is its UTF-8. */
export interface ByteMapOutput<V, N extends Formats> extends NamedOutputs<N> {
  /** The key is `bytes` from `start` to `end`. */
  emit(bytes: Uint8Array, start: number, end: number, value: V): void;
  /** Key and value are parts of `bytes`. */
  emitBytes(bytes: Uint8Array, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void;
}

/** Less than 0: left comes first; 0: equal. */
export type Compare<T> = (left: T, right: T) => number;

type Later = void | Promise<void>;

/** One input and its mapper. */
export interface Mapped<K, V, N extends Formats = Formats> {
  readonly input: InputFormat<unknown>;
  /** Called for each record. A mapper that returns a promise is waited for. */
  readonly map?: (record: never, out: MapOutput<K, V, N>, task: Task) => Later;
  /** In place of `map`, without a string or an object per record: the record is `bytes` from `start` to `end`. */
  readonly mapBytes?: (
    bytes: Buffer,
    start: number,
    end: number,
    out: ByteMapOutput<V, N>,
    task: Task,
  ) => void;
  /** Called before the first record and after the last. */
  readonly mapStart?: (task: Task) => Later;
  readonly mapEnd?: (out: MapOutput<K, V, N>, task: Task) => Later;
}

interface MapFunctions<R, K, V, N extends Formats> extends Omit<Mapped<K, V, N>, "input" | "map"> {
  readonly input: InputFormat<R>;
  readonly map?: (record: R, out: MapOutput<K, V, N>, task: Task) => Later;
}

/** One of several inputs (`inputs: [mapped({ input, map }), …]`); a submission names the paths of each. */
export function mapped<R, K, V, N extends Formats = Formats>(
  functions: MapFunctions<R, K, V, N>,
): Mapped<K, V, N> {
  return functions;
}

interface Submission {
  /** Default: the name of the module's file. */
  readonly name?: string;
  /** What a submission does not say otherwise. */
  readonly settings?: Partial<JobSettings>;
  readonly properties?: Readonly<Record<string, string>>;
}

interface Shuffled<K, V, A extends readonly unknown[], N extends Formats> extends Submission {
  readonly key: Codec<K>;
  readonly value: Codec<V>;
  /**
   * Makes fewer of the values of a key before they travel. It is called any number of times, also on what it emitted before, so
   * it must not matter how often. A fold as a reducer is its own combiner.
   */
  readonly combine?: Fold | ((key: K, values: Iterable<V>, out: Output<[value: V]>) => void);
  /** The reduce task of a key, from 0. Default: by a hash of the key, or of its first parts with `group`. */
  readonly partition?: (key: K, partitions: number) => number;
  /** Default: the order of the key's codec. */
  readonly sort?: Compare<K>;
  /**
   * Which keys are reduced together: those whose first so many parts (of a `tuple`) are equal, or that compare to 0. They must
   * be neighbours in the order. The rest of the key orders the values: a secondary sort. Default: keys that are equal.
   */
  readonly group?: number | Compare<K>;
  /** Partitions are ranges of keys, sampled when the job begins: all files in their order are one sorted output. */
  readonly totalOrder?: boolean;
  /** Called once per group, with the values in the order of their keys, streamed: they may be more than memory holds. */
  readonly reduce:
    | Fold
    | typeof identity
    | ((key: K, values: Iterable<V>, out: Output<A> & NamedOutputs<N>, task: Task) => Later);
  readonly reduceStart?: (task: Task) => Later;
  readonly reduceEnd?: (out: Output<A> & NamedOutputs<N>, task: Task) => Later;
  readonly output: OutputFormat<A>;
  /** Further outputs by name: letters and digits, not `part`. */
  readonly outputs?: N;
}

/** A job with maps and reduces. */
export type JobDefinition<R, K, V, A extends readonly unknown[], N extends Formats> = Shuffled<K, V, A, N> &
  MapFunctions<R, NoInfer<K>, NoInfer<V>, NoInfer<N>>;

/** The same with several inputs. */
export interface JoinDefinition<K, V, A extends readonly unknown[], N extends Formats> extends Shuffled<
  K,
  V,
  A,
  N
> {
  readonly inputs: readonly Mapped<NoInfer<K>, NoInfer<V>, NoInfer<N>>[];
}

/** A job of maps only: what they emit is the output. */
export interface MapOnlyDefinition<R, A extends readonly unknown[], N extends Formats> extends Submission {
  readonly input: InputFormat<R>;
  readonly map: (record: R, out: Output<A> & NamedOutputs<N>, task: Task) => Later;
  readonly mapStart?: (task: Task) => Later;
  readonly mapEnd?: (out: Output<A> & NamedOutputs<N>, task: Task) => Later;
  readonly output: OutputFormat<A>;
  readonly outputs?: N;
}

/** What a job's module exports. */
export interface Job extends Submission {
  readonly quorateJob: number;
  readonly inputs: readonly Mapped<unknown, unknown>[];
  /** Undefined: maps only. */
  readonly shuffle: Shuffle | undefined;
  readonly output: OutputFormat<readonly unknown[]>;
  readonly outputs: Readonly<Record<string, OutputFormat<readonly unknown[]>>>;
}

/** What lies between map and output, its types forgotten. */
export interface Shuffle {
  readonly key: Codec<unknown>;
  readonly value: Codec<unknown>;
  readonly combine:
    | Fold
    | ((key: unknown, values: Iterable<unknown>, out: Output<[unknown]>) => void)
    | undefined;
  readonly partition: ((key: unknown, partitions: number) => number) | undefined;
  readonly sort: Compare<unknown> | undefined;
  readonly group: number | Compare<unknown> | undefined;
  readonly totalOrder: boolean;
  readonly reduce:
    | Fold
    | typeof identity
    | ((key: unknown, values: Iterable<unknown>, out: unknown, task: Task) => Later);
  readonly reduceStart: ((task: Task) => Later) | undefined;
  readonly reduceEnd: ((out: unknown, task: Task) => Later) | undefined;
}

/** Throws ARGUMENT_INVALID when the definition contradicts itself. */
export function job<R, K, V, A extends readonly unknown[], N extends Formats = Record<never, never>>(
  definition: JobDefinition<R, K, V, A, N>,
): Job;
export function job<K, V, A extends readonly unknown[], N extends Formats = Record<never, never>>(
  definition: JoinDefinition<K, V, A, N>,
): Job;
export function job<R, K, V, A extends readonly unknown[], N extends Formats>(
  definition: JobDefinition<R, K, V, A, N> | JoinDefinition<K, V, A, N>,
): Job {
  const inputs = "inputs" in definition ? definition.inputs : [definition];
  if (inputs.length === 0) refuse("it has no input");
  for (const { map, mapBytes } of inputs)
    if ((map === undefined) === (mapBytes === undefined)) refuse("an input takes either map or mapBytes");
  const shuffle = definition as unknown as Shuffle;
  checkFolds(shuffle);
  if (typeof shuffle.group === "number") checkGroup(shuffle, shuffle.group);
  if (shuffle.totalOrder && shuffle.partition !== undefined)
    refuse("totalOrder makes the partitions: it takes no partition");
  if (shuffle.totalOrder && shuffle.sort === undefined && !shuffle.key.ordered)
    refuse(`the codec "${shuffle.key.name}" has no order for totalOrder`);
  const made: Job = {
    ...submissionOf(definition),
    quorateJob: JOB_VERSION,
    inputs: inputs as unknown as readonly Mapped<unknown, unknown>[],
    shuffle: {
      key: shuffle.key,
      value: shuffle.value,
      combine: shuffle.combine ?? ("fold" in shuffle.reduce ? shuffle.reduce : undefined),
      partition: shuffle.partition,
      sort: shuffle.sort,
      group: shuffle.group,
      totalOrder: definition.totalOrder ?? false,
      reduce: shuffle.reduce,
      reduceStart: shuffle.reduceStart,
      reduceEnd: shuffle.reduceEnd,
    },
    ...outputsOf(definition),
  };
  notePlace(made, job);
  return made;
}

/** Throws ARGUMENT_INVALID when the definition contradicts itself. */
export function mapOnly<R, A extends readonly unknown[], N extends Formats = Record<never, never>>(
  definition: MapOnlyDefinition<R, A, N>,
): Job {
  const made: Job = {
    ...submissionOf(definition),
    quorateJob: JOB_VERSION,
    inputs: [definition as unknown as Mapped<unknown, unknown>],
    shuffle: undefined,
    ...outputsOf(definition),
  };
  notePlace(made, mapOnly);
  return made;
}

function refuse(why: string): never {
  throw new QuorateError("ARGUMENT_INVALID", `not a job: ${why}`);
}

function submissionOf({ name, settings, properties }: Submission): Submission {
  return {
    ...(name !== undefined && { name }),
    ...(settings !== undefined && { settings }),
    ...(properties !== undefined && { properties }),
  };
}

function outputsOf(definition: {
  readonly output: unknown;
  readonly outputs?: unknown;
}): Pick<Job, "output" | "outputs"> {
  const outputs = (definition.outputs ?? {}) as Job["outputs"];
  for (const name of Object.keys(outputs))
    if (!/^[A-Za-z][A-Za-z0-9]*$/.test(name) || name === "part")
      refuse(`an output is named by letters and digits, and not "part": "${name}"`);
  return { output: definition.output as Job["output"], outputs };
}

const NUMERIC = new Set(["integer", "number"]);

function checkFolds({ value, combine, reduce }: Shuffle): void {
  const folds = [combine, reduce].filter((each): each is Fold => each !== undefined && "fold" in each);
  const [first, second] = folds;
  if (first !== undefined && !NUMERIC.has(value.name))
    refuse(`${first.fold} takes values of the codec integer or number, not "${value.name}"`);
  if (first !== undefined && second !== undefined && first.fold !== second.fold)
    refuse(`${first.fold} before ${second.fold} gives neither`);
  if (combine !== undefined && !("fold" in combine) && "fold" in reduce && reduce.fold === "count")
    refuse("what a combiner made of the values cannot be counted");
}

function checkGroup({ key, sort }: Shuffle, group: number): void {
  const parts = (key as Partial<TupleCodec<unknown>>).parts?.length ?? 0;
  if (!Number.isSafeInteger(group) || group < 1 || group > parts)
    refuse(`group ${group} of a key of ${parts} parts (a tuple's)`);
  if (sort !== undefined) refuse("a group of first parts takes the order of the key's codec, not sort");
}
