/** CRC-32Cs of what lies in one WebAssembly memory, and whether it fits those that it should have. */
import { zeroBytes } from "../../../runtime/bytes.ts";
import { crc32c, crc32cPieces } from "../../../wire/crc32.ts";
import type { SharedMemory } from "../web-assembly-code.ts";
import { instantiate, LANES } from "../web-assembly-code.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { GROUP_CHUNKS, GROUPS, overlayBytes, overlayModule, pileBytes } from "./chunk-overlay-module.ts";
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
const PILE_SUMS_AT = PILE_AT + CHUNK_BYTES;
const OVERLAY_SUMS_AT = PILE_AT + pileBytes(CHUNK_BYTES);
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

  private constructor(memory: SharedMemory, ofChunks: Checksums, ofOverlays: Checksums, overlay: Overlay) {
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.pile = this.bytes.subarray(PILE_AT, PILE_SUMS_AT);
    this.bytes.set(chunkTables());
    this.sumsOfChunks = ofChunks.checksum;
    this.sumsOfOverlays = ofOverlays.checksum;
    this.overlay = overlay.overlay;
  }

  /** Undefined where there are no vectors. */
  static on(memory: SharedMemory): ChunkEngine | undefined {
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
   * So many of the chunks from `from` on fit their checksums (big-endian, at `sumsAt`): all until the first group that does not,
   * or until the OVERLAID_CHUNKS in which something does not; of whole OVERLAID_CHUNKS. Finds what `chunk-overlay-module.ts` says.
   */
  fitting(from: number, chunks: number, sumsAt: number): number {
    let fit = 0;
    while (chunks - fit >= OVERLAID_CHUNKS) {
      const fitNow = this.fittingOverlaid(from + fit * CHUNK_BYTES, sumsAt + fit * CHECKSUM_BYTES);
      fit += fitNow;
      if (fitNow < OVERLAID_CHUNKS) break;
    }
    return fit;
  }

  private fittingOverlaid(from: number, sumsAt: number): number {
    const { view } = this;
    this.overlay(from, sumsAt, OVERLAYS_AT);
    this.sumsOfOverlays(OVERLAYS_AT, 1, OVERLAY_SUMS_AT);
    for (let group = 0; group < GROUPS; group++) {
      const sum = view.getInt32(OVERLAY_SUMS_AT + group * CHECKSUM_BYTES);
      if (sum !== SUM_OF_OVERLAY) return group * GROUP_CHUNKS;
    }
    let sum = crc32c(this.pile) ^ SUM_OF_PILE;
    for (let at = 0; at < LANES; at += CHECKSUM_BYTES) sum ^= view.getInt32(PILE_SUMS_AT + at);
    return sum === 0 ? OVERLAID_CHUNKS : 0;
  }
}

interface Checksums {
  readonly checksum: ChecksumProgram;
}

interface Overlay {
  readonly overlay: (data: number, sums: number, out: number) => void;
}

const SUM_OF_ZEROS = crc32c(zeroBytes(CHUNK_BYTES));
/** Of an even number of chunks, and their checksums. */
const SUM_OF_PILE = SUM_OF_ZEROS;
const SUM_OF_OVERLAY = sumOfOverlay();

/** What the checksum of any group is that is laid over itself with the checksums that it should have. */
function sumOfOverlay(): number {
  const overlay = zeroBytes(OVERLAY_BYTES);
  for (let at = CHUNK_BYTES; at < OVERLAY_BYTES; at += LANES) overlay.writeInt32LE(SUM_OF_ZEROS | 0, at);
  return crc32c(overlay) | 0;
}
