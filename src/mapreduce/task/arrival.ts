/** Where fetched map outputs are put: in memory as long as there is some, else one behind the other in a file. */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { BytesPlace } from "./block-reader.ts";
import { asFault } from "./failure.ts";

/** Of the memory for map outputs, what one may take. */
const LARGEST_SHARE = 0.25;

export class ArrivalRoom {
  private readonly path: string;
  private readonly largest: number;
  /** Bytes that may still be held in memory. */
  private memory: number;
  private file: number | undefined;
  private fileLength = 0;

  constructor(directory: string, memoryBytes: number) {
    this.path = join(directory, "fetched");
    this.memory = memoryBytes;
    this.largest = memoryBytes * LARGEST_SHARE;
  }

  /** Room for so many bytes. Throws a TaskFault when the machine has no more. */
  take(length: number): Arrival {
    if (length <= this.memory && length <= this.largest) {
      this.memory -= length;
      const bytes = Buffer.allocUnsafeSlow(length);
      return new Arrival({ type: "memory", bytes, offset: 0, length });
    }
    const file = (this.file ??= asFault(() => openSync(this.path, "w")));
    const offset = this.fileLength;
    this.fileLength += length;
    return new Arrival({ type: "file", path: this.path, offset, length }, file);
  }

  /** What came is not wanted: memory is free again; a place in the file stays unused. */
  giveBack({ place }: Arrival): void {
    if (place.type === "memory") this.memory += place.length;
  }

  /** All has come. */
  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}

/** One output as it comes. */
export class Arrival {
  readonly place: BytesPlace;
  private readonly file: number;
  private taken = 0;

  constructor(place: BytesPlace, file = -1) {
    this.place = place;
    this.file = file;
  }

  take(bytes: Buffer): void {
    const { place } = this;
    if (place.type === "memory") place.bytes.set(bytes, this.taken);
    else
      for (let at = 0; at < bytes.length;)
        at += asFault(() =>
          writeSync(this.file, bytes, at, bytes.length - at, place.offset + this.taken + at),
        );
    this.taken += bytes.length;
  }
}
