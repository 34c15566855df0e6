/**
 * write-ahead-log: one log on the disk for all groups of a process.
 *
 * Everything that must survive a crash passes through here: ballots, entries, snapshot marks. The log is a row of numbered,
 * preallocated files (segments) and a row of frames in them; one frame is one durable write, shared by whatever waited for
 * the disk. Reading starts at `recovery.ts`, writing at `log-writer.ts`; `decision-table.ts` says what happens to damage,
 * `frame.ts` and `segment.ts` hold the formats, and `docs/storage.md` argues why no crash loses what was acknowledged.
 */
import { crc32 } from "node:zlib";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Clock, Disk, DiskCallback, Logger, Random } from "../../../runtime/world.ts";
import type { Checksum } from "../../../wire/crc32.ts";
import { recover } from "./agreement.ts";
import { FrameBuilder } from "./frame-builder.ts";
import type { GroupId } from "./frame.ts";
import { roundUpToSector, SECTOR_BYTES } from "./frame.ts";
import { groupStateOf } from "./group-state.ts";
import type { WriteAheadLog } from "./log-contract.ts";
import { LogWriter } from "./log-writer.ts";
import { openMemoryLog } from "./memory-log.ts";
import { mend } from "./mend.ts";
import type { RecoveredGroup } from "./recovered.ts";
import type { Recovery } from "./recovery.ts";
import type { OpenSegment } from "./segment-store.ts";
import { SegmentStore } from "./segment-store.ts";

export type { GroupId } from "./frame.ts";
export type { WriteAheadLog } from "./log-contract.ts";
export type { GroupDamage, RecoveredGroup } from "./recovered.ts";

export type Durability = "always" | "everysec" | "memory";

export interface WriteAheadLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The disk failed: the process must end, since nobody knows any more what is durable. */
  readonly fatal: (error: Error) => void;
  /** `always` (default): acknowledged means synced. `everysec`: written, and synced each second. `memory`: no disk. */
  readonly durability?: Durability;
  /**
   * What to do when acknowledged entries are unreadable. `report` (default): open, and say which, so that the group gets
   * them from its peers. `refuse`: DATA_CORRUPT, for a node that has no peers.
   */
  readonly damage?: "report" | "refuse";
  /** The directory had a log before: raises DATA_CORRUPT when there is none. Default false. */
  readonly mustExist?: boolean;
  /** Size of a segment, a multiple of 512. Default 64 MiB; the first has at most 1 MiB. A larger write gets a larger one. */
  readonly segmentBytes?: number;
  /** Waiting writes are joined into one frame up to this size. Default 8 MiB. */
  readonly frameMaxBytes?: number;
  /** How long the log must be silent before its last frame gets its seal. Default 20. */
  readonly sealDelayMs?: number;
  /** Must give what zlib's CRC-32 gives, which is the default. */
  readonly checksum?: Checksum;
  /** A deliberate bug, set only by the simulator to prove that it would be found. */
  readonly mutant?: "skip-directory-fsync";
}

export interface OpenedLog {
  readonly recovered: ReadonlyMap<GroupId, RecoveredGroup>;
  readonly log: WriteAheadLog;
}

/** The very first segment is small: a new node waits for it, while the next one is prepared as it runs. */
const FIRST_SEGMENT_BYTES = 1 << 20;

const nativeChecksum: Checksum = (bytes, seed) => crc32(bytes, seed);

/**
 * Recovers what the directory holds, makes it durable once more, and opens the log for writing. `done` gets DATA_CORRUPT
 * (naming file and offset), DISK_FULL, UNSUPPORTED (a newer format), or the disk's own error.
 */
export function openWriteAheadLog(
  options: WriteAheadLogOptions,
  done: (error: Error | undefined, opened?: OpenedLog) => void,
): void {
  if (options.durability === "memory") {
    const opened = { recovered: new Map(), log: openMemoryLog(options.clock) };
    return options.clock.endOfTurn(() => done(undefined, opened));
  }
  const { disk, checksum = nativeChecksum } = options;
  const syncDirectory = (next: DiskCallback): void => {
    if (options.mutant === "skip-directory-fsync") next(undefined);
    else disk.syncDirectory(next);
  };
  let recovery: Recovery;
  try {
    recovery = recover(disk, checksum);
    if (options.mustExist === true && recovery.salt === undefined) {
      throw new QuorateError("DATA_CORRUPT", "the directory has an identity and no log: its log was removed");
    }
    if (options.damage === "refuse") refuseDamage(recovery);
  } catch (error) {
    return options.clock.endOfTurn(() => done(error as Error));
  }
  for (const note of recovery.notes) options.logger.log("warn", "log damage", { ...note });
  mend(disk, recovery, syncDirectory, (error, file) => {
    if (error !== undefined) return done(error);
    const last = recovery.segments.at(-1);
    start(options, recovery, file && last && { ...last, file }, syncDirectory, done);
  });
}

function start(
  options: WriteAheadLogOptions,
  recovery: Recovery,
  current: OpenSegment | undefined,
  syncDirectory: (done: DiskCallback) => void,
  done: (error: Error | undefined, opened?: OpenedLog) => void,
): void {
  const { disk, clock, random, logger, fatal, checksum = nativeChecksum } = options;
  const sealing = { salt: recovery.salt ?? random.next32(), checksum };
  const segmentBytes = Math.max(roundUpToSector(options.segmentBytes ?? 64 << 20), 8 * SECTOR_BYTES);
  let writer: LogWriter | undefined;
  const segments = new SegmentStore(
    {
      disk,
      clock,
      logger,
      sealing,
      segmentBytes,
      syncDirectory,
      fatal,
      spaceRanOut() {
        if (writer !== undefined) return writer.spaceRanOut();
        // Not even the first segment can be had: the node cannot start.
        segments.close(() => done(segments.refusing));
      },
    },
    recovery.segments.slice(0, -1),
    current,
  );
  const open = (): void => {
    writer = new LogWriter({
      clock,
      segments,
      fatal,
      builder: new FrameBuilder(sealing, recovery.previous),
      groups: new Map([...recovery.groups].map(([id, group]) => [id, groupStateOf(group)])),
      durability: options.durability === "everysec" ? "everysec" : "always",
      frameMaxBytes: options.frameMaxBytes ?? 8 << 20,
      sealDelayMs: options.sealDelayMs ?? 20,
      position: recovery.position,
      nextSequence: recovery.nextSequence,
    });
    done(undefined, { recovered: recovery.groups, log: writer });
  };
  if (current === undefined) segments.begin(Math.min(segmentBytes, FIRST_SEGMENT_BYTES), open);
  else open();
}

function refuseDamage(recovery: Recovery): void {
  for (const [group, { damage }] of recovery.groups) {
    const first = damage?.entries[0];
    if (first === undefined) continue;
    const { index, file, position } = first;
    throw new QuorateError(
      "DATA_CORRUPT",
      `${file} at byte ${position}: entry ${index} of group ${group} is damaged and there is no peer to fetch it from`,
    );
  }
}
