/**
 * A consistent cut of the namespace, written in slices while commands go on being applied. The tree keeps the inodes of the
 * time for it (`Tree.protect`), the block table the records; leases and counters are few and written at once.
 */
import { assert } from "../../../runtime/errors.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { ByteWriter } from "../../../wire/byte-writer.ts";
import { Chunk } from "./chunk.ts";
import { SETTINGS } from "./command-codec.ts";
import type { Directory, Inode } from "./inode.ts";
import type { BlockToken } from "./snapshot-format.ts";
import {
  CHUNK,
  COUNTERS,
  DIRECTORY,
  END,
  FILE,
  FORMAT,
  finishRecord,
  HEADER,
  KEY,
  LEASES,
  LINK,
  SAME,
  SHARED,
  SNAPSHOTTABLE,
  startRecord,
  TREE,
  writeExtras,
} from "./snapshot-format.ts";
import type { NamespaceState } from "./state.ts";

/** A record is closed when it has so many bytes. */
const RECORD_BYTES = 32 * 1024;

/** What of a directory or a chunk was written so far. */
type Frame = { readonly directory: Directory; next: number } | { readonly chunk: Chunk; next: number };

export class NamespaceCut {
  private readonly state: NamespaceState;
  private readonly out = new ByteWriter(64 * 1024);
  private readonly closed: () => void;
  private readonly release: () => void;
  /** What is still to be written, the next one last. */
  private readonly roots: (Inode | Chunk)[];
  private readonly frames: Frame[] = [];
  /** Numbers of what is held more than once. */
  private readonly numbers = new Map<Inode | Chunk, number>();
  /** Was held more than once when the cut began, and is no more. */
  private readonly wasShared = new Set<Inode | Chunk>();
  private readonly texts = new Map<string, number>();
  private rest: Bytes | undefined;
  private phase: "open" | "ended" | "closed" = "open";

  /** `closed` is called once. `digest`: of the state as it is now. */
  constructor(state: NamespaceState, digest: number, closed: () => void) {
    this.state = state;
    this.closed = closed;
    this.roots = [state.root, ...state.reclaimer.stack].reverse();
    this.writeHeader(digest);
    this.release = state.tree.protect();
    state.blocks.before = new Map();
    const onRelease = (item: Inode | Chunk): void => void (item.refs > 1 && this.wasShared.add(item));
    state.tree.onRelease = onRelease;
    state.reclaimer.onRelease = onRelease;
  }

  /** At most `maxBytes` bytes; undefined at the end. */
  next(maxBytes: number): Bytes | undefined {
    if (this.phase === "closed") return undefined;
    if (this.rest === undefined) {
      while (this.phase === "open" && this.out.size < maxBytes) this.advance();
      if (this.out.size === 0) {
        this.close();
        return undefined;
      }
      this.rest = this.out.take();
    }
    const bytes = this.rest;
    this.rest = bytes.length > maxBytes ? bytes.subarray(maxBytes) : undefined;
    return bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes;
  }

  close(): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    this.rest = undefined;
    this.state.blocks.before = undefined;
    this.state.tree.onRelease = undefined;
    this.state.reclaimer.onRelease = undefined;
    this.release();
    this.closed();
  }

  private writeHeader(digest: number): void {
    const { out, state } = this;
    const start = startRecord(out, HEADER);
    out.uint32(FORMAT).uint32(digest).uint53(state.timeMs);
    COUNTERS.write(out, state.counters);
    SETTINGS.write(out, state.settings);
    KEY.write(out, state.key);
    SNAPSHOTTABLE.write(
      out,
      [...state.snapshottable].map(([id, names]) => ({ id, names })),
    );
    LEASES.write(
      out,
      [...state.leases.all()].map((lease) => ({
        lease,
        renewedMs: state.leases.renewedMs(lease.holder),
        blocks: [lease.aside ? lease.block : undefined, lease.recovery?.copyTo]
          .filter((id) => id !== undefined)
          .map((id) => this.blockToken(id)),
      })),
    );
    out.uint32(state.drafts.size);
    for (const draft of state.drafts.all()) this.writeInode(draft);
    out.uint32(this.roots.length);
    finishRecord(out, start);
  }

  /** Writes tokens until a record is full. */
  private advance(): void {
    const { out } = this;
    const start = startRecord(out, TREE);
    while (out.size - start < RECORD_BYTES) {
      if (this.step()) continue;
      finishRecord(out, start);
      finishRecord(out, startRecord(out, END));
      this.phase = "ended";
      return;
    }
    finishRecord(out, start);
  }

  /** Writes one token; false when all are written. */
  private step(): boolean {
    const frame = this.frames.at(-1);
    if (frame === undefined) {
      const root = this.roots.pop();
      if (root === undefined) return false;
      if (root instanceof Chunk) this.writeChunk(root);
      else this.writeInode(root);
    } else if ("chunk" in frame) {
      const { chunk } = frame;
      const place = frame.next++;
      if (place >= chunk.names.length) this.frames.pop();
      else {
        this.out.string(chunk.names[place]!);
        this.writeInode(chunk.nodes[place]!);
      }
    } else {
      const { directory } = frame;
      const at = frame.next++;
      const chunk = directory.chunks[at];
      const snapshot = directory.extras?.snapshots?.[at - directory.chunks.length];
      if (chunk !== undefined) this.writeChunk(chunk);
      else if (snapshot !== undefined) this.writeInode(snapshot.root);
      else this.frames.pop();
    }
    return true;
  }

  private writeChunk(chunk: Chunk): void {
    if (!this.begin(chunk, CHUNK)) return;
    this.out.uint32(chunk.names.length);
    this.frames.push({ chunk, next: 0 });
  }

  private writeInode(node: Inode): void {
    const { out } = this;
    if (!this.begin(node, node.kind === "file" ? FILE : node.kind === "directory" ? DIRECTORY : LINK)) return;
    out.uint53(node.id).uint53(node.revision);
    this.writeText(node.owner);
    this.writeText(node.group);
    out.uint32(node.mode).uint53(node.modifiedMs).uint53(node.accessedMs);
    out.uint8(node.extras === undefined ? 0 : 1);
    if (node.extras !== undefined) writeExtras(out, node.extras);
    if (node.kind === "directory") {
      out.uint32(node.chunks.length);
      this.frames.push({ directory: node, next: 0 });
    } else if (node.kind === "link") {
      out.text(node.target);
    } else {
      out.uint53(node.length).uint32(node.replication).uint53(node.blockSize).uint53(node.reserved);
      out.uint53(node.parity);
      out.uint32(node.segments.length);
      for (const segment of node.segments) {
        if (typeof segment === "string") out.uint8(0).string(segment);
        else this.writeBlock(segment);
      }
    }
  }

  private writeBlock(id: number): void {
    const { file, stamp, length, replication, policy } = this.blockToken(id);
    this.out.uint8(1).uint53(id).uint53(file).uint53(stamp).uint53(length);
    this.out.uint32(replication).uint32(policy);
  }

  private blockToken(id: number): BlockToken {
    const { file, stamp, length, replication, policy } = this.state.blocks.inCut(id);
    return { id, file, stamp, length, replication, policy };
  }

  /** Writes the tag; false when it stands for one that was written before. */
  private begin(item: Inode | Chunk, tag: number): boolean {
    const number = this.numbers.get(item);
    if (number !== undefined) {
      this.out.uint8(SAME).uint32(number);
      return false;
    }
    const isShared = item.refs > 1 || this.wasShared.has(item);
    if (isShared) this.numbers.set(item, this.numbers.size);
    this.out.uint8(isShared ? tag | SHARED : tag);
    return true;
  }

  /** A text at its first time, its number later. */
  private writeText(text: string): void {
    const number = this.texts.get(text);
    this.out.uint32(number ?? this.texts.size);
    if (number !== undefined) return;
    this.texts.set(text, this.texts.size);
    assert(this.texts.size < 0xffff_ffff, "too many owners and groups");
    this.out.text(text);
  }
}
