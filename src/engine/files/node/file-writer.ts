/**
 * One writer of one file. While what it was given is small it keeps it, and puts it into the namespace at the end, in one
 * command; with the byte that is too many the file goes into the log, under a lease, and its bytes into blocks.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes, copyBytes, viewBytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Clock } from "../../../runtime/world.ts";
import type { FileWriter } from "../file-system.ts";
import type { FileId, FileStatus } from "../namespace/model.ts";
import type { SequenceOptions, WritingMeans } from "./block-sequence.ts";
import { BlockSequence } from "./block-sequence.ts";
import { keepLease } from "./lease-keeper.ts";

/** How the file of a writer begins and ends: a new one, or one that is appended to. */
export interface Beginning {
  /** Bytes that may be kept back and put into the namespace at the end; -1: none. */
  readonly smallMax: number;
  /** All of it at once, at the end. */
  putSmall(content: string): Promise<FileStatus>;
  /** The file is held by this holder from now on. */
  open(holder: string): Promise<Held>;
  /** It is made by this writer, and goes with it when it gives up. */
  readonly isNew: boolean;
}

/** A file that is held. */
export interface Held extends Omit<SequenceOptions, "holder"> {
  /** Bytes that it has. */
  readonly length: number;
  /** Bytes that the first block begins with, because it takes the place of content kept in the namespace. */
  readonly inline: Bytes | undefined;
  /** Goes on in the last block. */
  readonly goOn: ((sequence: BlockSequence) => Promise<void>) | undefined;
}

export class NodeFileWriter implements FileWriter {
  /** Bytes put in so far, in the file. */
  position: number;
  readonly holder: string;
  private readonly means: WritingMeans;
  private readonly clock: Clock;
  private readonly beginning: Beginning;
  private readonly over: () => void;
  private small: Bytes[] = [];
  private smallBytes = 0;
  private sequence: BlockSequence | undefined;
  private held: { readonly file: FileId; readonly length: number } | undefined;
  /** The file was asked for in the log, whatever became of it. */
  private isAsked = false;
  private endLease: () => void = () => undefined;
  /** Bytes that went in, without those that wait for their turn; and those of them that are synced. */
  private taken = 0;
  private synced = 0;
  private failure: Error | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private ended = false;
  /** Whole, in the namespace: nothing can go wrong any more, and nothing be written. */
  private isClosed = false;

  /** `over` is called once, when it is closed or given up. */
  constructor(
    means: WritingMeans,
    clock: Clock,
    holder: string,
    position: number,
    beginning: Beginning,
    over: () => void,
  ) {
    this.means = means;
    this.clock = clock;
    this.holder = holder;
    this.position = position;
    this.beginning = beginning;
    this.over = over;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.position += bytes.length;
    return this.inTurn(() => this.take(asBytes(bytes)));
  }

  sync(): Promise<void> {
    return this.inTurn(async () => {
      await this.openBlocks();
      await this.sequence?.sync();
      this.synced = this.taken;
    });
  }

  async close(): Promise<FileStatus> {
    const status = await this.inTurn(() => this.complete());
    this.isClosed = true;
    this.end();
    return status;
  }

  async abort(): Promise<void> {
    if (this.ended) return;
    this.end(new QuorateError("LEASE_LOST", "the writer gave up"));
    this.sequence?.stop();
    await this.turn.catch(() => undefined);
    await this.giveUp().catch(() => undefined);
  }

  /** As `abort`: who writes on is told this. */
  stop(error: QuorateError): Promise<void> {
    this.failure ??= error;
    return this.abort();
  }

  private async complete(): Promise<FileStatus> {
    if (this.sequence === undefined) return this.beginning.putSmall(latin1(concatBytes(this.small)));
    return this.sequence.complete();
  }

  private async take(bytes: Bytes): Promise<void> {
    if (bytes.length === 0) return;
    this.taken += bytes.length;
    if (this.sequence === undefined) {
      if (this.smallBytes + bytes.length <= this.beginning.smallMax) {
        // A copy: a few bytes must not keep the large buffer that they came in.
        this.small.push(copyBytes(bytes));
        this.smallBytes += bytes.length;
        return;
      }
      await this.openBlocks();
    }
    await this.sequence?.write(bytes);
  }

  private async openBlocks(): Promise<void> {
    if (this.sequence !== undefined) return;
    this.isAsked = true;
    const { inline, goOn, ...held } = await this.beginning.open(this.holder);
    this.held = held;
    if (this.failure !== undefined) throw this.failure;
    this.endLease = keepLease(this.means.log, this.clock, this.holder, () => {
      this.end(new QuorateError("LEASE_LOST", `the lease of inode ${held.file} ended`));
      this.sequence?.stop();
    });
    const sequence = new BlockSequence(this.means, { ...held, holder: this.holder });
    this.sequence = sequence;
    if (goOn !== undefined) await goOn(sequence);
    const first = concatBytes([...(inline === undefined ? [] : [inline]), ...this.small]);
    this.small = [];
    if (first.length > 0) await sequence.write(first);
  }

  private async giveUp(): Promise<void> {
    if (!this.isAsked) return;
    const { log } = this.means;
    if (this.held === undefined) await log.barrier();
    const held = this.held ?? this.heldUnknowingly();
    if (held === undefined) return;
    const { file } = held;
    const length = this.beginning.isNew ? undefined : held.length + this.synced;
    await log.insist({ type: "abandon", file, holder: this.holder, length });
  }

  /** What the log made of a request whose answer was lost. */
  private heldUnknowingly(): { readonly file: FileId; readonly length: number } | undefined {
    const { machine } = this.means.log;
    for (const { id: file, holder, path } of machine.openFiles()) {
      if (holder !== this.holder) continue;
      const { length } = machine.status(path, { user: machine.settings.superuser, groups: [] });
      return { file, length };
    }
    return undefined;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.turn.then(async () => {
      if (this.failure !== undefined) throw this.failure;
      if (this.isClosed) throw new QuorateError("LEASE_LOST", "the file is closed");
      try {
        return await work();
      } catch (error) {
        // What ended it from outside says more than what broke by that.
        const failure = this.failure ?? (error as Error);
        this.failure = failure;
        this.endLease();
        throw failure;
      }
    });
    this.turn = run.catch(() => undefined);
    return run;
  }

  private end(failure?: QuorateError): void {
    this.failure ??= failure;
    this.endLease();
    if (this.ended) return;
    this.ended = true;
    this.small = [];
    this.over();
  }
}

function latin1(bytes: Bytes): string {
  return bytes.toString("latin1");
}

function asBytes(array: Uint8Array): Bytes {
  return Buffer.isBuffer(array) ? (array as unknown as Bytes) : viewBytes(array as Uint8Array<ArrayBuffer>);
}
