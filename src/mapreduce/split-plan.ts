/** How the input of a job becomes splits: by the blocks of its files, small files together, and where each is read best. */
import { QuorateError } from "../runtime/errors.ts";
import type { FileStats } from "../client/files/file-stats.ts";
import type { Files } from "../client/files/files.ts";
import { expandGlob, isGlob } from "../client/files/glob.ts";
import { isGzip } from "./input/format.ts";
import type { InputSpec, Split, SplitPiece } from "./job-spec.ts";

/** Where a part of a file is kept. */
export interface BlockPlace {
  readonly offset: number;
  readonly length: number;
  readonly nodes: readonly string[];
}

export interface SplitPlan {
  readonly files: Files;
  /** Bytes of a split that are wanted (`JobSettings.splitSize`). Undefined: each file's block size; of local files 64 MiB. */
  readonly splitSize: number | undefined;
  /** Where a file's blocks are. Default: nobody knows, splits may run anywhere. */
  readonly locate?: (file: FileStats) => Promise<readonly BlockPlace[]>;
  readonly signal: AbortSignal;
}

const LOCAL_SPLIT_BYTES = 64 * 1024 * 1024;
/** A last split may be longer by this, rather than leave a tiny one behind it. */
const SLACK = 1.1;
/** Small files are put together until there are so many bytes, or so many of all that there are enough splits. */
const PACK_MIN_BYTES = 4 * 1024 * 1024;
const PACKS_WANTED = 16;
const PACK_FILES_MAX = 1000;
const NODES_MAX = 10;

/**
 * The splits of all inputs, in the order of inputs and paths. Throws PATH_NOT_FOUND when a path or pattern of an input fits
 * nothing, and what asking the file system throws.
 */
export async function planSplits(inputs: readonly InputSpec[], plan: SplitPlan): Promise<readonly Split[]> {
  const splits: Split[] = [];
  for (const input of inputs) {
    const files = await inputFiles(plan.files, input.paths, plan.signal);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    const packer = new Packer(input.mapper, Math.max(PACK_MIN_BYTES, total / PACKS_WANTED), splits);
    for (const file of files) {
      const size = plan.splitSize ?? blockSize(plan.files, file);
      const blocks = (await plan.locate?.(file)) ?? [];
      for (const piece of pieces(file, size, input.whole === true || isGzip(file.path)))
        packer.add(piece, size, blocks);
      if (input.alone !== true) continue;
      // A map that reads nothing is one all the same, to who asks what files there are.
      if (file.size === 0) packer.add({ path: file.path, start: 0, length: 0, whole: false }, size, []);
      packer.end();
    }
    packer.end();
  }
  return splits;
}

/** The files that paths stand for: patterns expanded, directories by what is in them, hidden names left out. Each once. */
export async function inputFiles(
  files: Files,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly FileStats[]> {
  const found = new Map<string, FileStats>();
  for (const path of paths) {
    const named = isGlob(path) ? await expandGlob(files, path, signal) : [await files.stat(path, { signal })];
    const visible = isGlob(path) ? named.filter(isVisible) : named;
    if (visible.length === 0) throw new QuorateError("PATH_NOT_FOUND", `no file fits the input ${path}`);
    for (const each of visible) {
      if (!each.isDirectory()) found.set(each.path, each);
      else
        for await (const entry of files.walk(each.path, { signal }))
          if (isVisible(entry) && !entry.isDirectory()) found.set(entry.path, entry);
    }
  }
  return [...found.values()];
}

/** Names that begin with `_` or `.` are marks of those who write files, such as `_SUCCESS`. */
function isVisible({ name }: FileStats): boolean {
  return !name.startsWith("_") && !name.startsWith(".");
}

function blockSize(files: Files, file: FileStats): number {
  return files.url.startsWith("file:") || file.blockSize <= 0 ? LOCAL_SPLIT_BYTES : file.blockSize;
}

function* pieces(file: FileStats, size: number, whole: boolean): Generator<SplitPiece> {
  const { path, size: length } = file;
  if (whole) yield { path, start: 0, length, whole };
  else
    for (let start = 0; start < length;) {
      const isLast = length - start <= size * SLACK;
      const piece = { path, start, length: isLast ? length - start : size, whole };
      yield piece;
      start += piece.length;
    }
}

/** Puts small files together, and gives the rest as they are. */
class Packer {
  private readonly mapper: number;
  private readonly wanted: number;
  private readonly splits: Split[];
  private pieces: SplitPiece[] = [];
  private bytes = 0;
  private weights = new Map<string, number>();

  constructor(mapper: number, wantedBytes: number, splits: Split[]) {
    this.mapper = mapper;
    this.wanted = wantedBytes;
    this.splits = splits;
  }

  add(piece: SplitPiece, splitSize: number, blocks: readonly BlockPlace[]): void {
    const isMore = this.bytes + piece.length > Math.min(this.wanted, splitSize);
    if (this.pieces.length > 0 && (isMore || this.pieces.length >= PACK_FILES_MAX)) this.end();
    this.pieces.push(piece);
    this.bytes += piece.length;
    for (const { offset, length, nodes } of blocks) {
      const inside = Math.min(offset + length, piece.start + piece.length) - Math.max(offset, piece.start);
      if (inside > 0)
        for (const node of nodes) this.weights.set(node, (this.weights.get(node) ?? 0) + inside);
    }
  }

  end(): void {
    const [first, ...also] = this.pieces;
    if (first === undefined) return;
    const nodes = [...this.weights]
      .toSorted(([one, left], [two, right]) => right - left || (one < two ? -1 : 1))
      .slice(0, NODES_MAX)
      .map(([node]) => node);
    this.splits.push({ ...first, ...(also.length > 0 && { also }), mapper: this.mapper, nodes });
    this.pieces = [];
    this.bytes = 0;
    this.weights = new Map();
  }
}
