/** CRC-32Cs of what lies in one WebAssembly memory, and whether it fits those that it should have. */
import { zeroBytes } from "../../../runtime/bytes.ts";
import { crc32c, crc32cPieces } from "../../../wire/crc32.ts";
import type { SharedMemory } from "../web-assembly-code.ts";
import { instantiate, LANES } from "../web-assembly-code.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { CHUNK_AT, GROUP_CHUNKS, GROUPS, overlayBytes, overlayModule } from "./chunk-overlay-module.ts";
import { chunkTables, crc32cModule, POLYNOMIAL, TABLES_BYTES } from "./crc32c-module.ts";

const CHECKSUM_BYTES = 4;
/** Bytes of the chunks whose checksums are made at a time. */
export const LANE_BYTES: number = LANES * CHUNK_BYTES;
const OVERLAY_BYTES = overlayBytes(CHUNK_BYTES);
/** Chunks that are verified at a time, laid over each other. */
export const OVERLAID_CHUNKS: number = GROUPS * GROUP_CHUNKS;

/** The first bytes of a memory belong to the engine that works on it: tables and the room to fold in, then these. */
const OVERLAYS_AT = TABLES_BYTES + LANES * OVERLAY_BYTES;
const ODD_AT = OVERLAYS_AT + GROUPS * OVERLAY_BYTES;
const OVERLAY_SUMS_AT = ODD_AT + GROUPS * 4;
export const ENGINE_BYTES: number = 32 * 1024;

type ChecksumProgram = (data: number, times: number, out: number) => void;

/** Works on what lies in one memory. */
export class ChunkEngine {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly sumsOfChunks: ChecksumProgram;
  private readonly sumsOfOverlays: ChecksumProgram;
  private readonly overlay: Overlay["overlay"];

  private constructor(memory: SharedMemory, ofChunks: Checksums, ofOverlays: Checksums, overlay: Overlay) {
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
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
   * of whole OVERLAID_CHUNKS. Finds what `chunk-overlay-module.ts` says.
   */
  fitting(from: number, chunks: number, sumsAt: number): number {
    const { view } = this;
    let fit = 0;
    for (; chunks - fit >= OVERLAID_CHUNKS; fit += OVERLAID_CHUNKS) {
      this.overlay(from + fit * CHUNK_BYTES, sumsAt + fit * CHECKSUM_BYTES, OVERLAYS_AT);
      this.sumsOfOverlays(OVERLAYS_AT, 1, OVERLAY_SUMS_AT);
      for (let group = 0; group < GROUPS; group++) {
        const first = fit + group * GROUP_CHUNKS;
        const due = overlaidChecksum(view, sumsAt + first * CHECKSUM_BYTES);
        const isFit = due === view.getInt32(OVERLAY_SUMS_AT + group * CHECKSUM_BYTES);
        if (!isFit || view.getInt32(ODD_AT + group * 4) !== 0) return first;
      }
    }
    return fit;
  }
}

interface Checksums {
  readonly checksum: ChecksumProgram;
}

interface Overlay {
  readonly overlay: (data: number, sums: number, out: number) => void;
}

/** `MOVED[256 * k + b]`: byte k of a checksum, behind which come as many zeros as chunks are moved by. */
const MOVED = movedBytes();

function movedBytes(): Int32Array {
  const moved = new Int32Array(4 * 256);
  for (let byte = 0; byte < moved.length; byte++) {
    let crc = (byte & 0xff) << (8 * (byte >> 8));
    for (let bit = 0; bit < 8 * LANES; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    moved[byte] = crc;
  }
  return moved;
}

/** The checksum of an overlay, but for what begins and ends every checksum. */
const OVERLAY_CONSTANT = overlayConstant();

function overlayConstant(): number {
  const sums = new DataView(new ArrayBuffer(GROUP_CHUNKS * CHECKSUM_BYTES));
  const ofZeros = crc32c(zeroBytes(CHUNK_BYTES));
  for (let chunk = 0; chunk < GROUP_CHUNKS; chunk++) sums.setInt32(chunk * CHECKSUM_BYTES, ofZeros);
  return movedSum(sums, 0) ^ crc32c(zeroBytes(OVERLAY_BYTES));
}

/** What the checksum of a group laid over itself is, if all of its chunks have those at `at`. */
function overlaidChecksum(view: DataView, at: number): number {
  return movedSum(view, at) ^ OVERLAY_CONSTANT;
}

function movedSum(view: DataView, at: number): number {
  let sum = 0;
  for (let distance = GROUP_CHUNKS - 1; distance >= 0; distance--) {
    const moved =
      (MOVED[sum & 0xff] ?? 0) ^
      (MOVED[256 + ((sum >>> 8) & 0xff)] ?? 0) ^
      (MOVED[512 + ((sum >>> 16) & 0xff)] ?? 0) ^
      (MOVED[768 + (sum >>> 24)] ?? 0);
    sum = moved ^ view.getInt32(at + (CHUNK_AT[distance] ?? 0) * CHECKSUM_BYTES);
  }
  return sum;
}
