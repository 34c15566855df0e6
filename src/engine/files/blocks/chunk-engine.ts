/** CRC-32Cs of what lies in one WebAssembly memory, and whether it fits those that it should have. */
import { zeroBytes } from "../../../runtime/bytes.ts";
import { crc32c, crc32cPieces } from "../../../wire/crc32.ts";
import type { PageMemory } from "../../../runtime/page-memory.ts";
import { instantiate, LANES } from "../web-assembly-code.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import {
  GROUP_CHUNKS,
  GROUPS,
  MARKS,
  marksAt,
  outputBytes,
  overlayBytes,
  overlayModule,
} from "./chunk-overlay-module.ts";
import { chunkTables, crc32cModule, TABLES_BYTES } from "./crc32c-module.ts";

const CHECKSUM_BYTES = 4;
/** Bytes of the chunks whose checksums are made at a time. */
export const LANE_BYTES: number = LANES * CHUNK_BYTES;
const OVERLAY_BYTES = overlayBytes(CHUNK_BYTES);
/** Chunks that are verified at a time, laid over each other. */
export const OVERLAID_CHUNKS: number = GROUPS * GROUP_CHUNKS;

/** The first bytes of a memory belong to the engine that works on it: tables and the room to fold in, then these. */
const OVERLAYS_AT = TABLES_BYTES + LANES * OVERLAY_BYTES;
const PILE_AT = OVERLAYS_AT + GROUPS * OVERLAY_BYTES;
const OVERLAY_SUMS_AT = OVERLAYS_AT + outputBytes(CHUNK_BYTES);
export const ENGINE_BYTES: number = 32 * 1024;

type ChecksumProgram = (data: number, times: number, out: number) => void;

/** Works on what lies in one memory. */
export class ChunkEngine {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly pile: Uint8Array;
  private readonly sumsOfChunks: ChecksumProgram;
  private readonly sumsOfOverlays: ChecksumProgram;
  private readonly overlay: Overlay["overlay"];

  private constructor(memory: PageMemory, ofChunks: Checksums, ofOverlays: Checksums, overlay: Overlay) {
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.pile = this.bytes.subarray(PILE_AT, PILE_AT + OVERLAY_BYTES);
    this.bytes.set(chunkTables());
    for (const [at, mark] of MARKS.entries())
      this.view.setInt32(OVERLAYS_AT + marksAt(CHUNK_BYTES) + 4 * at, mark, true);
    this.sumsOfChunks = ofChunks.checksum;
    this.sumsOfOverlays = ofOverlays.checksum;
    this.overlay = overlay.overlay;
  }

  /** Undefined where there are no vectors. */
  static on(memory: PageMemory): ChunkEngine | undefined {
    const ofChunks = instantiate<Checksums>(crc32cModule(CHUNK_BYTES), memory);
    const ofOverlays = instantiate<Checksums>(crc32cModule(OVERLAY_BYTES), memory);
    const overlay = instantiate<Overlay>(overlayModule(CHUNK_BYTES), memory);
    const isWhole = ofChunks !== undefined && ofOverlays !== undefined && overlay !== undefined;
    return isWhole ? new ChunkEngine(memory, ofChunks, ofOverlays, overlay) : undefined;
  }

  /** The checksums of the chunks of [from, to), big-endian, at `out`. The last chunk may be short. */
  checksum(from: number, to: number, out: number): void {
    const times = Math.floor((to - from) / LANE_BYTES);
    this.sumsOfChunks(from, times, out);
    const at = from + times * LANE_BYTES;
    const rest = out + times * LANES * CHECKSUM_BYTES;
    if (at < to) crc32cPieces(this.bytes, at, to, CHUNK_BYTES, this.bytes, rest);
  }

  /**
   * So many of the chunks from `from` on fit their checksums (big-endian, at `sumsAt`): all until the first OVERLAID_CHUNKS of
   * which one does not, or that are not there. Finds what `chunk-overlay-module.ts` says.
   */
  fitting(from: number, chunks: number, sumsAt: number): number {
    let fit = 0;
    while (
      chunks - fit >= OVERLAID_CHUNKS &&
      this.fit(from + fit * CHUNK_BYTES, sumsAt + fit * CHECKSUM_BYTES)
    ) {
      fit += OVERLAID_CHUNKS;
    }
    return fit;
  }

  /** Which of them does not is not said: damage that hides in the sum of its group shows in the sum of all. */
  private fit(from: number, sumsAt: number): boolean {
    this.overlay(from, sumsAt, OVERLAYS_AT);
    this.sumsOfOverlays(OVERLAYS_AT, 1, OVERLAY_SUMS_AT);
    for (let group = 0; group < GROUPS; group++) {
      if (this.view.getInt32(OVERLAY_SUMS_AT + group * CHECKSUM_BYTES) !== SUM_OF_OVERLAY) return false;
    }
    return crc32c(this.pile) === SUM_OF_PILE;
  }
}

interface Checksums {
  readonly checksum: ChecksumProgram;
}

interface Overlay {
  readonly overlay: (data: number, sums: number, out: number) => void;
}

/** Of any chunks with the checksums that they should have: the sum of all has an even number of each. */
const SUM_OF_PILE = crc32c(zeroBytes(OVERLAY_BYTES));
const SUM_OF_OVERLAY = sumOfOverlay();

function sumOfOverlay(): number {
  const ofZeros = crc32c(zeroBytes(CHUNK_BYTES)) | 0;
  const overlay = zeroBytes(OVERLAY_BYTES);
  for (const mark of MARKS)
    overlay.writeInt32LE(overlay.readInt32LE(CHUNK_BYTES + mark) ^ ofZeros, CHUNK_BYTES + mark);
  return crc32c(overlay) | 0;
}
