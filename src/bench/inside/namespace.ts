/**
 * What a namespace of a million names costs: memory, rates, snapshot, restore. One process, no log and no network: the state
 * machine alone, each command encoded, decoded and applied as a follower does it.
 *
 *   npm run build && node --expose-gc dist/bench/inside/namespace.js [--names 1000000]
 */
import { parseArgs } from "node:util";
import { LocationTable } from "../../engine/files/blocks/location-table.ts";
import { BLOCK_FRAME } from "../../engine/files/blocks/protocol.ts";
import { encodeCommand } from "../../engine/files/namespace/command-codec.ts";
import type { NamespaceCommand } from "../../engine/files/namespace/commands.ts";
import type { NamespaceMachine } from "../../engine/files/namespace/machine.ts";
import { createNamespace } from "../../engine/files/namespace/machine.ts";
import { FIRST_BLOCK_ID, FIRST_STAMP } from "../../engine/files/namespace/state.ts";
import type { AddedBlock, Opened } from "../../engine/files/namespace/replies.ts";
import { Refusal } from "../../engine/files/namespace/replies.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { decode, encode } from "../../wire/record.ts";

const { values } = parseArgs({ options: { names: { type: "string", default: "1000000" } } });
const NAMES = Number(values.names);
const PER_DIRECTORY = 1000;
const HUGE = Math.min(100_000, NAMES);
const CHUNK_BYTES = 256 * 1024;

const caller = { user: "quorate", groups: [] };
const newFile = {
  caller,
  mode: 0o644,
  unmaskedMode: undefined,
  replication: 3,
  blockSize: undefined,
  createParents: true,
  existing: "refuse",
} as const;
let timeMs = 1_750_000_000_000;

function apply(machine: NamespaceMachine, command: NamespaceCommand): unknown {
  timeMs += 0.1;
  const reply = machine.apply(machine.decode(encodeCommand(command)), { timeMs });
  if (reply instanceof Refusal) throw new Error(`${command.type} was refused: ${reply.message}`);
  return reply;
}

function pathOf(n: number): string {
  const directory = Math.floor(n / PER_DIRECTORY);
  return `/warehouse/table-${directory % 50}/day-${directory}/part-${String(n).padStart(8, "0")}.parquet`;
}

function createFile(machine: NamespaceMachine, path: string): void {
  const { status } = apply(machine, { type: "create", ...newFile, path, holder: "bench" }) as Opened;
  const command = { file: status.id, holder: "bench" };
  const pipeline = ["n1", "n2", "n3"];
  const { block } = apply(machine, {
    type: "addBlock",
    ...command,
    previous: undefined,
    pipeline,
  }) as AddedBlock;
  apply(machine, { type: "complete", ...command, last: { ...block, length: 1_000_000 } });
}

/** As a node that holds a replica of every block reports them. */
function reportAll(table: LocationTable, node: string, { nextBlockId }: NamespaceMachine): void {
  const part = 10_000;
  const parts = Math.ceil((nextBlockId - FIRST_BLOCK_ID) / part);
  for (let at = 0; at < parts; at++) {
    const first = FIRST_BLOCK_ID + at * part;
    const count = Math.min(part, nextBlockId - first);
    const replicas = Array.from({ length: count }, (_, n) => {
      return {
        id: first + n,
        stamp: FIRST_STAMP + at * part + n,
        length: 1_000_000,
        state: "finished" as const,
      };
    });
    const full = { part: at, last: at === parts - 1 };
    const frame = { type: "report", life: 1, sequence: 0, full, replicas, removed: [] } as const;
    const received = decode(BLOCK_FRAME, encode(BLOCK_FRAME, frame));
    if (received.type === "report") table.onReport(node, received, 0);
  }
}

/** How long each of many took. */
class Durations {
  private readonly all: number[] = [];

  measure(run: () => void): void {
    const start = performance.now();
    run();
    this.all.push(performance.now() - start);
  }

  toString(): string {
    const sorted = this.all.sort((left, right) => left - right);
    const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2);
    return `median ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms, slowest ${at(1)} ms, of ${sorted.length}`;
  }
}

function timed(what: string, count: number, run: () => void): void {
  const start = performance.now();
  run();
  const ms = performance.now() - start;
  print(
    what,
    `${(ms / 1000).toFixed(2)} s, ${Math.round((count / ms) * 1000).toLocaleString("en")} a second`,
  );
}

function print(what: string, figure: string): void {
  console.log(`${what.padEnd(52)} ${figure}`);
}

/** What is in use: objects on the collected heap, and the arrays of numbers beside it. */
function usedMiB(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

function mib(bytes: number): string {
  return `${Math.round(bytes).toLocaleString("en")} MiB`;
}

const baseMiB = usedMiB();
let machine = createNamespace();
timed(`${NAMES.toLocaleString("en")} files of one block (3 commands each)`, NAMES * 3, () => {
  for (let n = 0; n < NAMES; n++) createFile(machine, pathOf(n));
});
const namesMiB = usedMiB();
print("memory for them", mib(namesMiB - baseMiB));
let locations: LocationTable | undefined = new LocationTable(
  () => 0,
  () => undefined,
);
for (const node of ["n1", "n2", "n3"]) reportAll(locations, node, machine);
print("memory for where three replicas of each are", mib(usedMiB() - namesMiB));
print("  replicas of the first", String(locations.all(FIRST_BLOCK_ID).length));
locations = undefined;

timed("status of one path", 300_000, () => {
  for (let n = 0; n < 300_000; n++) machine.status(pathOf((n * 7919) % NAMES), caller);
});
timed("small files, 1 KiB in the namespace (1 command)", 20_000, () => {
  const content = "x".repeat(1024);
  for (let n = 0; n < 20_000; n++)
    apply(machine, { type: "put", ...newFile, path: `/small/${n % 20}/f${n}`, content });
});
timed(`${HUGE.toLocaleString("en")} names in one directory, empty`, HUGE, () => {
  for (let n = 0; n < HUGE; n++) {
    const name = String((n * 7919) % HUGE).padStart(7, "0");
    apply(machine, { type: "put", ...newFile, path: `/huge/f${name}`, content: "" });
  }
});
timed("listing it, 1,000 a page", HUGE, () => {
  let after = "";
  let slowestMs = 0;
  for (let left = 1; left > 0;) {
    const start = performance.now();
    const { entries, remaining } = machine.list("/huge", caller, after, 1000);
    slowestMs = Math.max(slowestMs, performance.now() - start);
    after = entries.at(-1)!.path.slice("/huge/".length);
    left = remaining;
  }
  print("  slowest page", `${slowestMs.toFixed(2)} ms`);
});

const chunks: Bytes[] = [];
const digest = machine.digest();
const start = performance.now();
const slices = new Durations();
let applied = 0;
const cut = machine.snapshot();
for (;;) {
  let chunk: Bytes | undefined;
  slices.measure(() => (chunk = cut.next(CHUNK_BYTES)));
  if (chunk === undefined) break;
  chunks.push(chunk);
  for (let k = 0; k < 20; k++, applied++) {
    apply(machine, { type: "setMode", caller, path: pathOf((applied * 7919) % NAMES), mode: 0o600 });
  }
}
const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
const took = ((performance.now() - start) / 1000).toFixed(2);
print(
  "snapshot, 20 commands after each slice of 256 KiB",
  `${took} s, ${mib(bytes / 2 ** 20)}, ${applied} commands meanwhile`,
);
print("  a slice", String(slices));

machine = createNamespace();
const emptyMiB = usedMiB();
timed("restore", NAMES, () => machine.restore(chunks));
if (machine.digest() !== digest) throw new Error("the restored namespace is another one");
print("memory after it", mib(usedMiB() - emptyMiB));

timed("delete of all of it: the command", 1, () => {
  apply(machine, { type: "delete", caller, path: "/warehouse", recursive: true });
});
const steps = new Durations();
timed("  giving it up, 1,000 a command", NAMES, () => {
  while (machine.statistics().reclaiming > 0) {
    steps.measure(() => apply(machine, { type: "reclaim", limit: 1000 }));
  }
});
print("  a command", String(steps));
