/** Opening, filling and reopening a log on the disk of `crash-disk.testing.ts`. */
import type { DurableWrite, Entry } from "../../../consensus/consensus.ts";
import { copyBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { crc32 } from "../../../wire/crc32.ts";
import { seededRandom, silent, TestClock, TestDisk } from "./crash-disk.testing.ts";
import type { GroupId, RecoveredGroup, WriteAheadLog, WriteAheadLogOptions } from "./write-ahead-log.ts";
import { openWriteAheadLog } from "./write-ahead-log.ts";

export interface TestLog {
  readonly disk: TestDisk;
  readonly clock: TestClock;
  readonly log: WriteAheadLog;
  readonly recovered: ReadonlyMap<GroupId, RecoveredGroup>;
  readonly fatal: Error[];
  /** Carries out all that is due within so many milliseconds. */
  readonly run: (forMs?: number) => void;
}

export const SMALL = 8 * 1024;

export function tryOpen(
  image: ReadonlyMap<string, Bytes> | TestDisk = new Map(),
  options: Partial<WriteAheadLogOptions> = {},
): TestLog | Error {
  const disk = image instanceof TestDisk ? image : new TestDisk(image);
  const clock = new TestClock();
  const fatal: Error[] = [];
  let outcome: TestLog | Error | undefined;
  openWriteAheadLog(
    {
      disk,
      clock,
      random: seededRandom(7),
      logger: silent,
      fatal: (error) => fatal.push(error),
      segmentBytes: SMALL,
      checksum: crc32,
      ...options,
    },
    (error, opened) => {
      const run = (forMs?: number): void => clock.run(disk, forMs);
      outcome = opened === undefined ? (error as Error) : { disk, clock, fatal, run, ...opened };
    },
  );
  clock.run(disk, 0);
  if (outcome === undefined) throw fatal[0] ?? new Error("the log did not open");
  return outcome;
}

export function openLog(
  image?: ReadonlyMap<string, Bytes> | TestDisk,
  options?: Partial<WriteAheadLogOptions>,
): TestLog {
  const opened = tryOpen(image, options);
  if (opened instanceof Error) throw opened;
  return opened;
}

/** Opens what a disk holds, after a clean close or not. */
export function reopen(disk: TestDisk, options?: Partial<WriteAheadLogOptions>): TestLog {
  return openLog(disk.image(), options);
}

export function entry(index: number, term: number, payload: string | Uint8Array): Entry {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  return { index, term, kind: "command", payload: copyBytes(bytes) };
}

export function entries(from: number, to: number, term: number, fill = ""): DurableWrite {
  const list: Entry[] = [];
  for (let index = from; index <= to; index++)
    list.push(entry(index, term, `${fill}entry ${index} of term ${term}`));
  return { entries: list };
}

/** What counts of a recovered group, in a form that compares. */
export function summary(group: RecoveredGroup | undefined): unknown {
  return (
    group && {
      term: group.term,
      votedFor: group.votedFor,
      snapshot: group.snapshot?.index,
      log: group.entries.map(({ index, term, payload }) => `${index}/${term}:${payload.toString("latin1")}`),
    }
  );
}

export function close(test: TestLog): void {
  let closed = false;
  test.log.close(() => (closed = true));
  test.run(0);
  if (!closed) throw new Error("the log did not close");
}
