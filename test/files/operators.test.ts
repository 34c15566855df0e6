/** What operators see and do, on three real processes: one dies, one is emptied, and both are told truly at every node. */
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { userName } from "../../src/runtime/node/user-name.ts";
import type { HealthLine, ReportJson } from "../../src/wire/files-admin.ts";
import type { Ended } from "../cli/program.ts";
import { cleanUp, run, scratch, startCluster, statusOf, until } from "../cli/program.ts";

vi.setConfig({ testTimeout: 180_000 });
afterEach(cleanUp);

const MIB = 1024 * 1024;

test("a node that is decommissioned is emptied; one that is killed is missed by name, and what it held is made anew", async () => {
  const { program, url } = await startCluster([
    "--nodes",
    "3",
    "--data",
    join(scratch(), "data"),
    "--no-restart",
  ]);
  const https = (program.stdout().match(/http:\/\/[\d.:]+/g) ?? []).map((each) =>
    each.slice("http://".length),
  );
  const ask = (at: readonly string[], ...words: readonly string[]): Promise<Ended> =>
    run(["fs", "--fs", `webhdfs://${at.join(",")}`, ...words]);
  const done = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await ask(https, ...words);
    expect([code, stderr], words.join(" ")).toEqual([0, ""]);
    return stdout;
  };
  const health = async (at: readonly string[] = https): Promise<readonly HealthLine[]> => {
    const { stdout } = await ask(at, "fsck", "/", "-files", "-blocks", "--json");
    return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as HealthLine]));
  };
  const holders = (lines: readonly HealthLine[]): readonly string[] =>
    lines.flatMap((line) =>
      line.type === "path"
        ? line.blocks.flatMap(({ replicas }) =>
            replicas.flatMap(({ node, state }) => (state === "good" ? [node] : [])),
          )
        : [],
    );
  await until("all nodes to be heard", 30_000, async () => {
    const { code, stdout } = await ask(https, "report", "--json");
    return (code === 0 && (JSON.parse(stdout) as ReportJson).nodes.length === 3) || undefined;
  });
  const put = await run(["fs", "--fs", `webhdfs://${https[1] ?? ""}`, "mkdir", "/d"]);
  expect(put.code).toBe(0);
  const upload = await fetch(
    `http://${https[0] ?? ""}/webhdfs/v1/d/f?op=CREATE&replication=2&data=true&user.name=${userName()}`,
    {
      method: "PUT",
      body: Buffer.alloc(3 * MIB, 7),
    },
  );
  expect(upload.status).toBe(201);
  expect(await done("fsck", "/")).toMatch(/is HEALTHY\n$/);

  const first = holders(await health());
  expect(new Set(first).size).toBe(2);
  const [leaving = ""] = first;
  expect(await done("decommission", leaving, "-w")).toMatch(new RegExp(`${leaving}: Decommissioned\n$`));
  const moved = await health();
  const kept = holders(moved).filter((node) => node !== leaving);
  expect(new Set(kept).size).toBe(2);
  expect(moved.at(-1)).toMatchObject({ healthy: true, underReplicated: 0 });
  expect(await done("fsck", "/", "-replicaDetails")).toContain(`${leaving}(DECOMMISSIONED)`);
  expect(await done("recommission", leaving)).toBe(`${leaving}: Normal\n`);

  const settled = await until("as many replicas as there should be", 60_000, async () => {
    const now = holders(await health());
    return now.length === 2 ? now : undefined;
  });
  const { nodes } = await statusOf(url);
  const victim = nodes.find(({ id }) => settled.includes(id));
  const spare = nodes.find(({ id }) => !settled.includes(id))?.id ?? "";
  process.kill(victim?.pid ?? 0, "SIGKILL");
  const left = https.filter((each) => each !== victim?.http);
  // Each of those that are left says it, whichever leads: asked often, because soon it is mended.
  const said = await Promise.all(
    left.map((at) =>
      until(`${at} to miss it`, 60_000, async () => {
        const answer = await fetch(`http://${at}/files/v1/health?user.name=quorate`);
        const lines = (await answer.text()).split("\n").filter((line) => line !== "");
        const first = JSON.parse(lines[0] ?? "") as HealthLine;
        return first.type === "path" ? first.blocks[0] : undefined;
      }),
    ),
  );
  for (const block of said) {
    expect(block.problem).toBe("under-replicated");
    const words = `It has 1 good replicas of 2: ${victim?.id ?? "?"} is silent for \\d+ s; .*made on ${spare}`;
    expect(block.explanation).toMatch(new RegExp(words));
  }
  const healed = await until("the block to be whole", 60_000, async () => {
    const lines = await health(left);
    const end = lines.at(-1);
    return end?.type === "summary" && end.underReplicated === 0 ? lines : undefined;
  });
  expect(holders(healed)).toContain(spare);
  const { stdout: report } = await ask(left, "report", "-dead");
  expect(report).toContain(`(${victim?.id ?? "?"})`);
});
