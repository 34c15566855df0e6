/**
 * Ports for processes that a test starts: below those that systems hand out by themselves (32768 up on Linux), and of a range that
 * is this worker's own. So nothing that runs beside takes one between the look and the start, nor while its process is dead.
 */
import { createServer } from "node:net";

/** Below are those that engines have by default; above, those that systems hand out. */
const FIRST = 17_000;
const PER_WORKER = 1_000;
const WORKERS = 15;

/** Counted from 1 by vitest; no two that run at once are the same. */
const worker = Number(process.env["VITEST_POOL_ID"] ?? "1") % WORKERS;
const first = FIRST + worker * PER_WORKER;
/** Where no other run is likely to be: several checkouts may be tested on one machine. */
let next = Math.floor(Math.random() * PER_WORKER);

/** So many ports in a row, free at the loopback interface. Throws when the range has none. */
export async function freePorts(count: number): Promise<readonly number[]> {
  for (let tries = 0; tries < PER_WORKER; tries++) {
    if (next + count > PER_WORKER) next = 0;
    const ports = Array.from({ length: count }, (_, at) => first + next + at);
    next += count;
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return ports;
  }
  throw new Error(`no ${count} free ports in a row from ${first} on`);
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
