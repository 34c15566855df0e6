/** Whatever bytes clients send, the nodes stay alike, live, and read their logs again: through real sockets and real disks. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { cutAt, requestStream } from "../../src/engine/protocol/resp/request-streams.testing.ts";
import type { Engine } from "../../src/index.ts";
import { ALGORITHMS, start } from "../../src/index.ts";

const SEED = 20_261_125;
const CONNECTIONS = 300;
const AT_ONCE = 12;
const SETTLED = { timeout: 20_000 };

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Sends the pieces one after another, and gives all that the server answered until it closed. */
function send(url: string, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    let answer = "";
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.setTimeout(20_000, () => socket.destroy(new Error("the server neither answered nor closed")));
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // It may close on the first bad byte while more is still being sent.
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(answer));
    for (const piece of pieces) socket.write(piece, "latin1");
    socket.end();
  });
}

/** What all nodes hold once they have applied the same, and no less than up to `from`: a new leader knows of no commit yet. */
async function commonState(engine: Engine, from = 0): Promise<{ index: number; digest: number | undefined }> {
  let index = 0;
  let digest: number | undefined;
  const alike = (): string => {
    expect(engine.nodes.map(({ failure }) => failure)).toEqual(engine.nodes.map(() => undefined));
    const all = engine.nodes.map((node) => node.status());
    digest = all[0]?.digest;
    index = all[0]?.appliedIndex ?? 0;
    const places = new Set(all.map((each) => `${each?.appliedIndex} ${each?.digest}`));
    const isDone = all.every((each) => each?.appliedIndex === each?.consensus.commitIndex);
    const isThere = isDone && index >= from && engine.leader() !== undefined;
    return places.size === 1 && isThere ? "alike" : [...places].join("; ");
  };
  await expect.poll(alike, SETTLED).toBe("alike");
  return { index, digest };
}

test.each(ALGORITHMS)(
  "%s: after any bytes at all, three nodes hold the same, also when each has read its log again",
  async (consensus) => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-bytes-"));
    ends.push(() => rmSync(folder, { recursive: true, force: true }));
    const engine = await start({ consensus, nodes: 3, data: folder });
    ends.push(() => engine.close());
    const streams = fc.sample(fc.tuple(requestStream, fc.array(fc.nat(200), { maxLength: 5 })), {
      numRuns: CONNECTIONS,
      seed: SEED,
    });
    const answers: string[] = [];
    for (let from = 0; from < streams.length; from += AT_ONCE) {
      const some = streams.slice(from, from + AT_ONCE);
      answers.push(
        ...(await Promise.all(
          some.map(([text, cuts], at) => send(engine.urls[(from + at) % 3] ?? "", cutAt(text, cuts))),
        )),
      );
    }
    // Each connection's replies end where its framing did.
    expect(answers.filter((answer) => /-ERR Protocol error/.test(answer)).length).toBeGreaterThan(30);
    expect(answers.filter((answer) => answer.includes("+OK")).length).toBeGreaterThan(30);
    expect(answers.join("")).not.toMatch(/UNKNOWNOUTCOME|CLUSTERDOWN|internal error|not well framed/);

    const before = await commonState(engine);
    await Promise.all(engine.nodes.map((node) => node.kill()));
    await Promise.all(engine.nodes.map((node) => node.restart()));
    expect((await commonState(engine, before.index)).digest).toBe(before.digest);
  },
  90_000,
);
