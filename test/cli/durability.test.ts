/** A durability that is weaker than the default says so, to every client and operator who looks. */
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { cleanUp, run, scratch, startCluster } from "./program.ts";

afterEach(cleanUp);

const MODES = [
  {
    durability: "always",
    meaning: "acknowledged writes are on the disks of a majority",
    // The default needs no warning.
    lastLine: /^files: /,
  },
  {
    durability: "everysec",
    meaning: "acknowledged writes are in the memory of a majority and reach the disks within about a second",
    lastLine:
      /^durability everysec: a power failure of a majority of the machines may lose the writes of its last second$/,
  },
  {
    durability: "memory",
    meaning: "acknowledged writes are in the memory of a majority only; they are lost when a majority stops",
    lastLine: /^durability memory: all is lost when a majority of the nodes ends, by whatever cause$/,
  },
];

test.each(MODES)(
  "durability $durability says in INFO and in `quorate status` what may be lost",
  async ({ durability, meaning, lastLine }) => {
    const data = durability === "memory" ? [] : ["--data", scratch()];
    const { url } = await startCluster(["--durability", durability, ...data]);
    const client = createClient({ url });
    client.on("error", () => undefined);
    await client.connect();
    try {
      const lines = (await client.info("quorate")).split("\r\n");
      expect(lines).toContain(`durability:${durability}`);
      expect(lines).toContain(`durability_meaning:${meaning}`);
    } finally {
      client.destroy();
    }
    const { code, stdout } = await run(["status", "--url", url]);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(lastLine);
  },
  60_000,
);
