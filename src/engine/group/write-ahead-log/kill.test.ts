/** The log on a real disk, under a real process that is killed while it writes. Runs the compiled package: `npm run check`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createClock } from "../../../runtime/node/clock.ts";
import { openNodeDisk } from "../../../runtime/node/disk.ts";
import { createRandom } from "../../../runtime/node/random.ts";
import { silent } from "./crash-disk.testing.ts";
import { entries, entry } from "./log-test.testing.ts";
import type { OpenedLog, WriteAheadLogOptions } from "./write-ahead-log.ts";
import { openWriteAheadLog } from "./write-ahead-log.ts";

const DIST = new URL("../../../../dist/", import.meta.url).href;

/** Appends entries to two groups without end, and prints each index once it is acknowledged. */
const WRITER = `
  import { writeSync } from "node:fs";
  const { openWriteAheadLog } = await import("${DIST}engine/group/write-ahead-log/write-ahead-log.js");
  const { openNodeDisk } = await import("${DIST}runtime/node/disk.js");
  const { createClock } = await import("${DIST}runtime/node/clock.js");
  const { createRandom } = await import("${DIST}runtime/node/random.js");
  const logger = { log() {} };
  const fatal = (error) => { throw error; };
  const disk = openNodeDisk(process.argv[1]);
  openWriteAheadLog(
    { disk, clock: createClock(), random: createRandom(), logger, fatal, segmentBytes: 64 << 10 },
    (error, opened) => {
      if (error) throw error;
      for (const group of [1, 2]) {
        let next = (opened.recovered.get(group)?.entries.at(-1)?.index ?? 0) + 1;
        const append = () => {
          const index = next++;
          const payload = Buffer.alloc(1 + ((index * 733) % 3000), String(index));
          const write = { entries: [{ index, term: 1, kind: "command", payload }] };
          opened.log.append(group, write, () => {
            writeSync(1, group + " " + index + "\\n");
            append();
          });
        };
        for (let inFlight = 0; inFlight < 8; inFlight++) append();
      }
    },
  );
`;

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-wal-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

function open(options: Partial<WriteAheadLogOptions> = {}): Promise<OpenedLog> {
  return new Promise((resolve, reject) => {
    openWriteAheadLog(
      {
        disk: openNodeDisk(directory),
        clock: createClock(),
        random: createRandom(),
        logger: silent,
        fatal: reject,
        segmentBytes: 64 << 10,
        ...options,
      },
      (error, opened) => (opened === undefined ? reject(error as Error) : resolve(opened)),
    );
  });
}

const close = ({ log }: OpenedLog): Promise<void> => new Promise((resolve) => log.close(resolve));
const openDescriptors = (): number =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  }).length;

/** Runs the writer until it acknowledged so many, kills it, and gives the highest acknowledged index by group. */
async function writeAndKill(acknowledgements: number): Promise<Map<number, number>> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", WRITER, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledged = new Map<number, number>();
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [group, index] = line.split(" ").map(Number) as [number, number];
    acknowledged.set(group, index);
    if (++count === acknowledgements) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  return acknowledged;
}

test("what a killed process acknowledged is there, byte for byte, over several lives", async () => {
  for (const acknowledgements of [1, 40, 250, 90]) {
    const acknowledged = await writeAndKill(acknowledgements);
    const opened = await open();
    for (const [group, highest] of acknowledged) {
      const found = opened.recovered.get(group);
      expect(found?.damage).toBeUndefined();
      expect(found?.entries.length).toBeGreaterThanOrEqual(highest);
      found?.entries.forEach(({ index, payload }, at) => {
        expect(index).toBe(at + 1);
        expect(payload.equals(Buffer.alloc(1 + ((index * 733) % 3000), String(index)))).toBe(true);
      });
    }
    await close(opened);
  }
  await expect.poll(openDescriptors).toBe(0);
});

test("on a real disk the log rotates, compacts, removes segments and leaves no handle open", async () => {
  const opened = await open();
  for (let index = 1; index <= 60; index++) {
    await new Promise<void>((resolve) => {
      opened.log.append(1, { entries: [entry(index, 1, Buffer.alloc(5000, index))] }, resolve);
    });
  }
  expect(opened.log.stats().segments).toBeGreaterThan(4);
  opened.log.compact(1, 58);
  await expect.poll(() => opened.log.stats().segments).toBeLessThan(4);
  await close(opened);
  await expect.poll(openDescriptors).toBe(0);
  const again = await open();
  expect(again.recovered.get(1)?.entries.map(({ index }) => index)).toEqual([58, 59, 60]);
  await close(again);
  expect(fs.readdirSync(directory).length).toBeLessThan(4);
});

test("everysec on a real disk acknowledges and keeps over a close", async () => {
  const opened = await open({ durability: "everysec" });
  await new Promise<void>((resolve) => opened.log.append(1, entries(1, 10, 1), resolve));
  await close(opened);
  const again = await open({ durability: "everysec" });
  expect(again.recovered.get(1)?.entries).toHaveLength(10);
  await close(again);
});
