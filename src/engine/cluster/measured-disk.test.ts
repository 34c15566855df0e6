import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createClock } from "../../runtime/node/clock.ts";
import { openNodeDisk } from "../../runtime/node/disk.ts";
import type { DiskFile } from "../../runtime/world.ts";
import { measureDisk } from "./measured-disk.ts";
import { createMetrics } from "./metrics.ts";

test("durable writes and syncs are timed, others are not, and the data is what was written", async () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "quorate-measured-"));
  try {
    const metrics = createMetrics();
    const disk = measureDisk(openNodeDisk(directory), createClock(), metrics);
    const file = await new Promise<DiskFile>((resolve, reject) => {
      disk.create("log", 16, (error, created) =>
        created ? resolve(created) : reject(error ?? new Error("none")),
      );
    });
    const step = (start: (done: (error: Error | undefined) => void) => void): Promise<void> =>
      new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
    await step((done) => file.write(0, [Buffer.from("ab"), Buffer.from("c")], "durable", done));
    await step((done) => file.write(3, [Buffer.from("d")], "cached", done));
    await step((done) => file.sync(done));
    file.close();
    expect(disk.read("log", 0, 4).toString("latin1")).toBe("abcd");
    expect(disk.list()).toEqual(["log"]);
    const text = metrics.render();
    expect(text).toContain("quorate_fsync_seconds_count 2\n");
    expect(text).toContain("quorate_disk_written_bytes_total 4\n");
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});
