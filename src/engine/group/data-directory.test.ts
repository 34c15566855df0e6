import { expect, test } from "vitest";
import { copyBytes } from "../../runtime/bytes.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import type { DataDirectoryOptions, OpenedDirectory } from "./data-directory.ts";
import { openDataDirectory } from "./data-directory.ts";
import { seededRandom, silent, TestClock, TestDisk } from "./write-ahead-log/crash-disk.testing.ts";
import { entries } from "./write-ahead-log/log-test.testing.ts";

interface Opened extends OpenedDirectory {
  readonly disk: TestDisk;
  readonly run: () => void;
}

function tryOpen(
  image: ReadonlyMap<string, Bytes>,
  seed: number,
  options: Partial<DataDirectoryOptions>,
): Opened | Error {
  const disk = new TestDisk(image);
  const clock = new TestClock();
  let outcome: Opened | Error | undefined;
  const run = (): void => clock.run(disk);
  openDataDirectory(
    {
      disk,
      clock,
      random: seededRandom(seed),
      logger: silent,
      fatal: (error) => {
        throw error;
      },
      segmentBytes: 8192,
      cluster: "c1",
      node: "n1",
      algorithm: "raft",
      ...options,
    },
    (error, opened) => (outcome = opened === undefined ? (error as Error) : { ...opened, disk, run }),
  );
  run();
  return outcome as Opened | Error;
}

function open(image: ReadonlyMap<string, Bytes> = new Map(), seed = 1): Opened {
  const opened = tryOpen(image, seed, {});
  if (opened instanceof Error) throw opened;
  return opened;
}

test("a directory keeps its identity over restarts; a wiped one gets a new incarnation", () => {
  const first = open();
  expect(first).toMatchObject({ fresh: true, identity: { cluster: "c1", node: "n1", algorithm: "raft" } });
  const again = open(first.disk.image(), 2);
  expect(again).toMatchObject({ fresh: false, identity: first.identity });
  const wiped = open(new Map(), 3);
  expect(wiped.fresh).toBe(true);
  expect(wiped.identity.incarnation).not.toBe(first.identity.incarnation);
});

test("the directory of another node, cluster or algorithm is refused by name, and nothing in it changes", () => {
  const { disk } = open();
  for (const other of [{ node: "n2" }, { cluster: "c2" }, { algorithm: "paxos" }] as const) {
    const image = disk.image();
    const refused = tryOpen(image, 2, other);
    expect(refused).toMatchObject({ code: "DATA_DIRECTORY_FOREIGN" });
    expect((refused as Error).message).toContain("node n1 of cluster c1 (raft)");
    expect((refused as Error).message).toContain(Object.values(other)[0]);
  }
});

test("a damaged identity, a log without one, and one without a log are refused", () => {
  const { disk, log, run } = open();
  log.append(1, entries(1, 1, 1), () => undefined);
  run();
  const image = disk.image();
  const identity = image.get("identity.json") as Bytes;
  for (let at = 0; at < identity.length; at++) {
    const changed = copyBytes(identity);
    changed[at] = (changed[at] as number) ^ 1;
    const refused = tryOpen(new Map(image).set("identity.json", changed), 2, {});
    expect((refused as { code?: string }).code).toMatch(/DATA_CORRUPT|UNSUPPORTED/);
  }
  const logOnly = new Map(image);
  logOnly.delete("identity.json");
  expect(tryOpen(logOnly, 2, {})).toMatchObject({ code: "DATA_CORRUPT" });
  expect(tryOpen(new Map([["identity.json", identity]]), 2, {})).toMatchObject({ code: "DATA_CORRUPT" });
});

test("a crash at any point of the first start leaves a directory that starts", () => {
  const { disk, identity } = open();
  const random = seededRandom(9);
  for (let point = 0; point <= disk.events.length; point++) {
    for (let image = 0; image < 10; image++) {
      const left = disk.crashed(point, image % 2 === 0, random, random.float());
      const again = open(left, 2);
      if (point === disk.events.length && image % 2 === 1) expect(again.identity).toEqual(identity);
    }
  }
  const durable = disk.crashed(disk.events.length, true, random, 0);
  expect(open(durable, 2).identity).toEqual(identity);
});

test("in memory mode nothing is read or written and every start is another incarnation", () => {
  const first = tryOpen(new Map(), 1, { durability: "memory" }) as Opened;
  const second = tryOpen(first.disk.image(), 2, { durability: "memory" }) as Opened;
  expect(first.disk.events).toHaveLength(0);
  expect(second.identity.incarnation).not.toBe(first.identity.incarnation);
});
