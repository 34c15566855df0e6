/**
 * A replica's storage as a specification: it keeps exactly what `ReplicaStorage` promises, and loses, at a crash, whatever it
 * has not promised. With it, a run shows bugs of consensus and group alone; the write-ahead log has its own run.
 */
import type { DurableWrite, Entry, Recovered, SnapshotMeta } from "../consensus/consensus.ts";
import type { ReplicaStorage } from "../engine/group/storage.ts";
import { concatBytes } from "../runtime/bytes.ts";
import type { Bytes } from "../runtime/bytes.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { Clock } from "../runtime/world.ts";
import { ByteReader } from "../wire/byte-reader.ts";
import { ByteWriter } from "../wire/byte-writer.ts";

/** What survives: one for a machine, over all lives of its processes. */
export class ModelDisk {
  private readonly random: SeededRandom;
  private term = 0;
  private votedFor: string | undefined;
  private entries: Entry[] = [];
  private chosen: number | undefined;
  private snapshot: SnapshotMeta | undefined;
  private content: Bytes | undefined;
  /** Asked for and not yet called durable, in order. */
  private underWay: (() => void)[] = [];
  private life = 0;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** Begins a new life: of what was under way, some first part had reached the disk. */
  open(
    clock: Clock,
    latencyMs: number,
  ): {
    readonly storage: ReplicaStorage;
    readonly recovered: Recovered;
    readonly content: Iterable<Bytes> | undefined;
  } {
    for (const operation of this.underWay.splice(0, this.random.integer(0, this.underWay.length)))
      operation();
    this.underWay = [];
    const life = ++this.life;
    const { term, votedFor, snapshot, chosen } = this;
    return {
      storage: this.storage(clock, latencyMs, life),
      recovered: { term, votedFor, snapshot, entries: [...this.entries], chosen },
      content: this.content === undefined ? undefined : chunksOf(this.content),
    };
  }

  private storage(clock: Clock, latencyMs: number, life: number): ReplicaStorage {
    const operate = (operation: () => void, done: () => void): void => {
      this.underWay.push(operation);
      clock.setTimer(this.random.exponential(latencyMs), () => {
        if (life !== this.life) return;
        // All before it are durable with it.
        const upTo = this.underWay.indexOf(operation);
        for (const each of this.underWay.splice(0, upTo + 1)) each();
        done();
      });
    };
    const waiting: { operation: () => void; done: () => void }[] = [];
    let busy = false;
    const inOrder = (operation: () => void, done: () => void): void => {
      waiting.push({ operation, done });
      const next = (): void => {
        const first = waiting.shift();
        busy = first !== undefined;
        if (first === undefined) return;
        operate(first.operation, () => {
          first.done();
          next();
        });
      };
      if (!busy) next();
    };
    let received: { meta: SnapshotMeta; chunks: Bytes[]; bytes: number } | undefined;
    return {
      append: (write, done) => inOrder(() => this.write(write), done),
      compact: (belowIndex) =>
        inOrder(
          () => this.compact(belowIndex),
          () => undefined,
        ),
      saveSnapshot: (snapshot, cut, done) => {
        const writer = new ByteWriter();
        for (let chunk = cut.next(4096); chunk !== undefined; chunk = cut.next(4096)) writer.bytes(chunk);
        cut.close();
        const content = writer.take();
        const saved = { ...snapshot, sizeBytes: content.length };
        inOrder(
          () => this.keep(saved, content),
          () => done(undefined, saved),
        );
      },
      readChunk: (snapshot, offset, length) =>
        this.snapshot?.index === snapshot.index ? this.content?.subarray(offset, offset + length) : undefined,
      verifySnapshot: (_snapshot, done) => void clock.setTimer(0, () => done(true)),
      storeChunk: (meta, offset, chunk, done) => {
        if (offset === 0) received = { meta, chunks: [], bytes: 0 };
        const fits =
          received !== undefined && received.meta.index === meta.index && received.bytes === offset;
        if (fits && received !== undefined) {
          received.chunks.push(chunk);
          received.bytes += chunk.length;
        }
        clock.setTimer(0, () => done(fits));
      },
      adoptSnapshot: (meta, done) => {
        const content = received === undefined ? undefined : concatBytes(received.chunks);
        if (content === undefined || content.length !== meta.sizeBytes) {
          clock.setTimer(0, () => done(undefined));
          return;
        }
        inOrder(
          () => this.keep(meta, content),
          () => done(chunksOf(content)),
        );
      },
      refusing: () => undefined,
      stalled: () => undefined,
      diskBytes: () => this.content?.length ?? 0,
      pinnedBytes: () => 0,
    };
  }

  private write(write: DurableWrite): void {
    if (write.ballot !== undefined) ({ term: this.term, votedFor: this.votedFor } = write.ballot);
    const { snapshot } = write;
    if (snapshot !== undefined) {
      const follows = this.entries.some(
        (entry) => entry.index === snapshot.index && entry.term === snapshot.term,
      );
      const stay = follows || write.slots === true;
      this.entries = stay ? this.entries.filter((entry) => entry.index > snapshot.index) : [];
    }
    this.chosen = write.chosen ?? this.chosen;
    const first = write.entries?.[0];
    if (first === undefined) return;
    const replaced = new Set(write.entries?.map(({ index }) => index));
    const stays = ({ index }: Entry): boolean =>
      write.slots === true ? !replaced.has(index) : index < first.index;
    this.entries = this.entries.filter(stays).concat(write.entries ?? []);
    this.entries.sort((left, right) => left.index - right.index);
  }

  private keep(meta: SnapshotMeta, content: Bytes): void {
    if (this.snapshot !== undefined && this.snapshot.index > meta.index) return;
    this.snapshot = meta;
    this.content = content;
  }

  private compact(belowIndex: number): void {
    this.entries = this.entries.filter((entry) => entry.index >= belowIndex);
  }
}

function* chunksOf(content: Bytes): Generator<Bytes> {
  const reader = new ByteReader(content);
  while (reader.remaining > 0) yield reader.bytes();
}
