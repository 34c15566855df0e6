/**
 * Samples what collections really hold into the digest.
 *
 * An entry's digest covers a collection only by type, size, memory and version: hashing all of it at every change would
 * cost as much as it is large. So one change in sixteen, fewer the larger the collection is, adds the checksum of its
 * whole content to a running digest. Which changes those are depends on the revision alone: the same on every replica.
 */
import { ByteWriter } from "../../wire/byte-writer.ts";
import { crc32 } from "../../wire/crc32.ts";
import { stir } from "../../wire/digest.ts";
import { writeCollection } from "./value.ts";
import type { Collection } from "./value.ts";

const LEAST_STRIDE = 16;
/** One change in `bytes / this` is sampled, so a change costs about this many bytes of checksum on average. */
const BYTES_PER_CHANGE = 256;
/** Larger collections are never sampled: a single checksum would take milliseconds. */
const LARGEST_BYTES = 1 << 20;

export class ValueAudit {
  /** Part of the state. */
  digest = 0;
  private readonly writer = new ByteWriter(4096);

  /** Called after the change with this revision. */
  consider(revision: number, value: Collection): void {
    const stride = Math.max(LEAST_STRIDE, Math.ceil(value.bytes / BYTES_PER_CHANGE));
    if (revision % stride !== 0 || value.bytes > LARGEST_BYTES) return;
    writeCollection(this.writer, value);
    this.digest = stir(this.digest, crc32(this.writer.take()) | 0);
  }
}
