/**
 * When keys of a database last came to be: what tells, of a key that is not there, whether it was there in between.
 *
 * Redis finds the watchers of a key at each change of it. Here WATCH leaves no trace in the state; EXEC brings the revision of
 * then, and what has changed since must be seen in the state itself. A key that is there carries its version. For one that is
 * absent, the last revision is kept at which any key of the same bucket came to be: a key that was absent at WATCH and was
 * there at any time since has come to be since. Removals need no trace, so FLUSHDB stays free of cost, and what only passes by
 * (expiry, eviction, FLUSHALL) ends no transaction. A bucket is shared, so the creation of another key ends one in some
 * thousands; none that must end goes through.
 *
 * Not in the digest: a replica that was restored from a snapshot of an older version, which has no creations, knows less than
 * one that applied the same log, and nobody who watches since then asks for what it does not know.
 */
import { stirNumber } from "../../wire/digest.ts";
import type { ByteReader } from "../../wire/byte-reader.ts";
import type { ByteWriter } from "../../wire/byte-writer.ts";

/** 128 KiB for each database that ever held a key. A power of two; part of the snapshot's format. */
const BUCKETS = 16_384;

const NO_BUCKETS = new Float64Array(0);

export class KeyCreations {
  /** When another database's keys last took the place of this one's: every key may have changed. */
  exchanged = 0;
  private newest = NO_BUCKETS;

  /** `digest`: the hash of a key that came to be with this revision, the newest of all. */
  note(digest: number, revision: number): void {
    if (this.newest.length === 0) this.newest = new Float64Array(BUCKETS);
    this.newest[digest & (BUCKETS - 1)] = revision;
  }

  /** The last revision at which the key with this hash may have come to be; 0: it never did. */
  lastOf(digest: number): number {
    return Math.max(this.exchanged, this.newest[digest & (BUCKETS - 1)] ?? 0);
  }

  get isEmpty(): boolean {
    return this.exchanged === 0 && this.newest.length === 0;
  }

  /** As they are now; what is noted later is not in it. */
  copy(): KeyCreations {
    const copy = new KeyCreations();
    copy.exchanged = this.exchanged;
    copy.newest = this.newest.slice();
    return copy;
  }

  write(writer: ByteWriter): void {
    writer.uint53(this.exchanged);
    const countAt = writer.size;
    writer.uint32(0);
    let count = 0;
    let digest = stirNumber(0, this.exchanged);
    for (let bucket = 0; bucket < this.newest.length; bucket++) {
      const revision = this.newest[bucket]!;
      if (revision === 0) continue;
      writer.uint32(bucket).uint53(revision);
      digest = stirNumber(digest ^ bucket, revision);
      count++;
    }
    writer.patchUint32(countAt, count);
    writer.uint32(digest >>> 0);
  }

  /** What `write` wrote; undefined when it is not quite that. */
  static read(reader: ByteReader): KeyCreations | undefined {
    const creations = new KeyCreations();
    creations.exchanged = reader.uint53();
    let digest = stirNumber(0, creations.exchanged);
    for (let left = reader.uint32(); left > 0; left--) {
      const [bucket, revision] = [reader.uint32(), reader.uint53()];
      creations.note(bucket, revision);
      digest = stirNumber(digest ^ bucket, revision);
    }
    return digest >>> 0 === reader.uint32() ? creations : undefined;
  }
}
