/** Who may talk to a node that has no password: its own machine; others only when the operator said so. */
import { connect } from "node:net";
import { hostname } from "node:os";
import { afterEach, expect, test } from "vitest";
import { lacks, outsideAddress } from "../engines.ts";
import { cleanUp, run, startCluster } from "./program.ts";

afterEach(cleanUp);

/** All that the server answers to `bytes` until it closes, or until `enough`. */
function talk(host: string, port: number, bytes: string, enough: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({ host, port });
    const timer = setTimeout(() => socket.destroy(new Error(`waited in vain; got ${text}`)), 10_000);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    socket.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (enough.test(text)) done();
    });
    socket.on("end", done);
    socket.write(bytes);
  });
}

const set = "SET a 1\r\n";

test.skipIf(lacks("outside address"))(
  "without a password a node lets in its own machine only, and says so at the start and to who is refused",
  async () => {
    const outside = outsideAddress()!;
    const { program, url } = await startCluster(["--host", "0.0.0.0", "--data", "memory"]);
    const port = Number(new URL(url).port);
    expect(program.stdout()).toMatch(/access +from this machine only: there is no --password/);
    expect(program.stdout()).toMatch(/peers +whoever reaches the peer port is believed: no --secret/);
    expect(await talk(outside, port, set, /\n/)).toMatch(/^-DENIED .*protected mode.*--protected-mode no/);
    expect(await talk("127.0.0.1", port, set, /\n/)).toBe("+OK\r\n");
    // As in Redis, it can be turned off from the machine itself; so can a password be set.
    const off = "CONFIG SET protected-mode no\r\n";
    expect(await talk("127.0.0.1", port, off, /\n/)).toBe("+OK\r\n");
    expect(await talk(outside, port, set, /\n/)).toBe("+OK\r\n");
    const on = "CONFIG SET protected-mode yes requirepass s\r\n";
    expect(await talk("127.0.0.1", port, on, /\n/)).toBe("+OK\r\n");
    expect(await talk(outside, port, set, /\n/)).toMatch(/^-NOAUTH/);
  },
  30_000,
);

test.skipIf(lacks("outside address"))(
  "--protected-mode no lets everybody in and says so; with a password there is nothing to say",
  async () => {
    const outside = outsideAddress()!;
    const open = await startCluster(["--host", "0.0.0.0", "--data", "memory", "--protected-mode", "no"]);
    expect(open.program.stdout()).toMatch(/access +for all who reach this machine/);
    expect(await talk(outside, Number(new URL(open.url).port), set, /\n/)).toBe("+OK\r\n");
    const guarded = ["--password", "p", "--secret", "s"];
    const closed = await startCluster(["--host", "0.0.0.0", "--data", "memory", ...guarded]);
    expect(closed.program.stdout()).not.toMatch(/^ +(access|peers) /m);
    const port = Number(new URL(closed.url).port);
    expect(await talk(outside, port, `AUTH p\r\n${set}`, /\n.*\n/s)).toBe("+OK\r\n+OK\r\n");
  },
  30_000,
);

test("a browser is answered under names that the node knows, and others that --browser-names gives; a program under any", async () => {
  const odd = await run(["start", "--data", "memory", "--browser-names", "http://files.test"]);
  expect(odd).toMatchObject({ code: 2 });
  expect(odd.stderr).toContain('not "http://files.test"');
  const { program } = await startCluster(["--data", "memory", "--browser-names", "files.test,other.test"]);
  const port = Number(/http:\/\/[\d.]+:(\d+)/.exec(program.stdout())?.[1]);
  const asked = (headers: string): Promise<string> =>
    talk(
      "127.0.0.1",
      port,
      `GET /status HTTP/1.1\r\nConnection: close\r\n${headers}\r\n\r\n`,
      /\r\n\r\n.*\n/s,
    );
  const language = "\r\nAccept-Language: de";
  for (const name of ["files.test", "Other.test:9870", "localhost:1", hostname()])
    expect(await asked(`Host: ${name}${language}`), name).toMatch(/^HTTP\/1.1 200/);
  expect(await asked("Host: evil.test")).toMatch(/^HTTP\/1.1 200/);
  const refused = await asked(`Host: evil.test${language}`);
  expect(refused).toMatch(/^HTTP\/1.1 403/);
  expect(refused).toContain('\\"evil.test\\"');
}, 30_000);
