/** Commands as bytes of the log. Rows may be added at the end, never removed or moved: logs and peers hold them. */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { ErrorCode } from "../../../runtime/errors.ts";
import { ERRORS, QuorateError } from "../../../runtime/errors.ts";
import type { AttemptId, Split, SplitPiece } from "../../../mapreduce/job-spec.ts";
import type { OutputFile } from "../../../mapreduce/task/orders.ts";
import type { Field } from "../../../wire/record.ts";
import {
  decode,
  double,
  encode,
  flag,
  list,
  optional,
  record,
  text,
  uint32,
  uint53,
  union,
  word,
} from "../../../wire/record.ts";
import type { JobsCommand } from "./commands.ts";
import type { Assignment, Counted, FailedRecord, StagedOutput } from "./model.ts";

const attemptId = { job: text, kind: word("map", "reduce"), task: uint32, attempt: uint32 } as const;
export const ATTEMPT_ID: Field<AttemptId> = record<AttemptId>(attemptId);
const ASSIGNMENT: Field<Assignment> = record<Assignment>({
  ...attemptId,
  node: text,
  life: uint53,
  backup: flag,
});
const COUNTED: Field<Counted> = record<Counted>({ group: text, name: text, value: double });
export const FAILED_RECORD: Field<FailedRecord> = record<FailedRecord>({ index: uint53, text });
export const OUTPUT_FILES: Field<readonly OutputFile[]> = list(
  record<OutputFile>({ name: text, bytes: uint53, records: uint53 }),
);
export const STAGED_OUTPUT: Field<StagedOutput> = record<StagedOutput>({
  directory: uint53,
  temporary: uint53,
  marker: uint53,
});

/** A code of the error table; one that this version does not know is read as INVARIANT. */
export const ERROR_CODE: Field<ErrorCode> = {
  write: (writer, value) => text.write(writer, value),
  read: (reader) => {
    const code = text.read(reader);
    return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "INVARIANT";
  },
};

interface PieceRow extends Omit<SplitPiece, "path"> {
  readonly path: number;
}

interface SplitRow extends Omit<Split, "path" | "nodes" | "also">, PieceRow {
  readonly path: number;
  readonly also: readonly PieceRow[];
  readonly nodes: readonly number[];
}

interface SplitTable {
  readonly paths: readonly string[];
  readonly nodes: readonly string[];
  readonly rows: readonly SplitRow[];
}

const pieceRow = { path: uint32, start: uint53, length: uint53, whole: flag } as const;
const SPLIT_TABLE: Field<SplitTable> = record<SplitTable>({
  paths: list(text),
  nodes: list(text),
  rows: list(
    record<SplitRow>({
      ...pieceRow,
      also: list(record<PieceRow>(pieceRow)),
      mapper: uint32,
      nodes: list(uint32),
    }),
  ),
});

/** Splits of one file say its path once, and all say the names of their nodes once. */
export const SPLITS: Field<readonly Split[]> = {
  write(writer, splits) {
    const paths = new Map<string, number>();
    const nodes = new Map<string, number>();
    const rows = splits.map((split) => ({
      ...split,
      path: placeIn(paths, split.path),
      also: (split.also ?? []).map((piece) => ({ ...piece, path: placeIn(paths, piece.path) })),
      nodes: split.nodes.map((node) => placeIn(nodes, node)),
    }));
    SPLIT_TABLE.write(writer, { paths: [...paths.keys()], nodes: [...nodes.keys()], rows });
  },
  read(reader) {
    const { paths, nodes, rows } = SPLIT_TABLE.read(reader);
    return rows.map(({ also, ...row }) => ({
      ...row,
      path: named(paths, row.path),
      ...(also.length === 0
        ? {}
        : { also: also.map((piece) => ({ ...piece, path: named(paths, piece.path) })) }),
      nodes: row.nodes.map((place) => named(nodes, place)),
    }));
  },
};

function placeIn(places: Map<string, number>, name: string): number {
  const known = places.get(name);
  if (known !== undefined) return known;
  places.set(name, places.size);
  return places.size - 1;
}

function named(names: readonly string[], place: number): string {
  const name = names[place];
  if (name === undefined) throw new QuorateError("PROTOCOL", "a split that names nothing");
  return name;
}

const COMMAND: Field<JobsCommand> = union<JobsCommand>({
  submit: { submission: text, token: text, spec: text, splits: SPLITS },
  staged: { job: text, output: STAGED_OUTPUT, instead: optional(uint53) },
  prepared: { job: text, marker: uint53 },
  committed: { job: text, marker: uint53 },
  abandon: { job: text, code: ERROR_CODE, message: text },
  cleaned: { job: text },
  assign: { assignments: list(ASSIGNMENT) },
  finished: {
    attempt: ATTEMPT_ID,
    counters: list(COUNTED),
    partitions: optional(list(uint53)),
    outputRecords: uint53,
    files: OUTPUT_FILES,
    skipped: list(uint53),
  },
  failed: {
    attempt: ATTEMPT_ID,
    message: text,
    stack: optional(text),
    record: optional(FAILED_RECORD),
    retryable: flag,
  },
  lost: { attempts: list(ATTEMPT_ID), reason: text },
  preempt: { attempts: list(ATTEMPT_ID), reason: text },
  complain: { reducer: ATTEMPT_ID, map: uint32, attempt: uint32, round: uint32, reason: text },
  kill: { job: text, reason: text },
  prune: {},
});

export function encodeCommand(command: JobsCommand): Bytes {
  return encode(COMMAND, command);
}

/** Throws QuorateError PROTOCOL. */
export function decodeCommand(bytes: Bytes): JobsCommand {
  return decode(COMMAND, bytes);
}
