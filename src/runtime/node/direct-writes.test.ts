import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PageMemory } from "../page-memory.ts";
import { createPageMemory } from "../page-memory.ts";
import type { Disk, DiskFile, WriteMode } from "../world.ts";
import { openNodeDisk } from "./disk.ts";

const DIRECT = (fs.constants as { readonly O_DIRECT?: number }).O_DIRECT ?? 0;
const KIB = 1024;

let directory: string;
let disk: Disk;
let file: DiskFile;
beforeEach(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), "direct-"));
  disk = openNodeDisk(directory);
  file = await create("block");
});
afterEach(() => {
  vi.restoreAllMocks();
  file.close();
  fs.rmSync(directory, { recursive: true });
});

function create(name: string): Promise<DiskFile> {
  return new Promise((resolve, reject) => {
    disk.create(name, 0, (error, created) => (created ? resolve(created) : reject(error as Error)));
  });
}
function write(position: number, chunks: Uint8Array[], mode: WriteMode = "direct", to = file): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(position, chunks, mode, (error) => (error ? reject(error) : resolve()));
  });
}
const content = (name = "block"): Buffer => fs.readFileSync(join(directory, name));
function noise(length: number, seed = 7919): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * seed + (at >> 8)) >> 3;
  return bytes;
}

type Done = (error: unknown, count?: number) => void;

interface Direct {
  readonly calls: {
    readonly position: number;
    readonly length: number;
    readonly chunks: readonly Uint8Array[];
    isOver: boolean;
  }[];
  /** Replaces what such a call does. */
  instead: ((call: number, done: Done) => boolean) | undefined;
  opened: number;
  /** Calls that the system refused. */
  refused: number;
}

/** Watches what goes past the system's memory. */
function watch(): Direct {
  const seen: Direct = { calls: [], instead: undefined, opened: 0, refused: 0 };
  const realOpen = fs.open;
  const descriptors = new Set<number>();
  vi.spyOn(fs, "open").mockImplementation(((path: string, flags: number, done: Done) => {
    realOpen(path, flags, (error, fd) => {
      if (DIRECT !== 0 && typeof flags === "number" && (flags & DIRECT) !== 0) {
        seen.opened++;
        descriptors.add(fd);
      }
      done(error, fd);
    });
  }) as never);
  const realWrite = fs.writev as (...call: unknown[]) => void;
  vi.spyOn(fs, "writev").mockImplementation(((
    fd: number,
    chunks: readonly Uint8Array[],
    position: number,
    done: Done,
  ) => {
    if (!descriptors.has(fd)) return realWrite(fd, chunks, position, done);
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const call = { position, length, chunks, isOver: false };
    seen.calls.push(call);
    const over: Done = (error, count) => {
      call.isOver = true;
      if (error) seen.refused++;
      done(error, count);
    };
    if (seen.instead?.(seen.calls.length, over) !== true) realWrite(fd, chunks, position, over);
  }) as never);
  return seen;
}

/** Where the system or the directory of temporary files knows no such writes, they go the usual way. */
async function takesDirect(): Promise<boolean> {
  const path = join(directory, "asked");
  fs.writeFileSync(path, "");
  if (DIRECT === 0) return false;
  return new Promise((resolve) => {
    fs.open(path, fs.constants.O_RDWR | DIRECT, (error, fd) => {
      if (error) return resolve(false);
      fs.closeSync(fd);
      resolve(true);
    });
  });
}

test("whole units go past the system's memory, what is before and behind them does not, and every byte is where it belongs", async (context) => {
  if (!(await takesDirect())) context.skip("this file system takes no direct writes");
  const seen = watch();
  const bytes = noise(3_000_001);
  await write(5, [
    bytes.subarray(0, 10),
    bytes.subarray(10, 1_000_000),
    Buffer.alloc(0),
    bytes.subarray(1_000_000),
  ]);
  expect(content().subarray(5).equals(bytes)).toBe(true);
  expect(seen.opened).toBe(1);
  for (const { position, length } of seen.calls) expect([position % 4096, length % 4096]).toEqual([0, 0]);
  const direct = seen.calls.reduce((sum, { length }) => sum + length, 0);
  expect(direct).toBe(Math.floor(3_000_006 / 4096) * 4096 - 4096);
});

test("writes of any place and length, in any mode, leave what the last one of each byte said", async () => {
  const model = Buffer.alloc(4 * KIB * KIB);
  let end = 0;
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 120; round++) {
    const position = random(4) === 0 ? end : random(end + 1);
    const length = 1 + random(random(2) === 0 ? 700 * KIB : 9000);
    if (position + length > model.length) continue;
    const bytes = noise(length, 31 + round);
    const cut = random(length);
    const mode = (["direct", "direct", "cached", "durable"] as const)[random(4)] as WriteMode;
    await write(position, [bytes.subarray(0, cut), bytes.subarray(cut)], mode);
    bytes.copy(model, position);
    end = Math.max(end, position + length);
    if (random(8) === 0) expect(content().equals(model.subarray(0, end))).toBe(true);
  }
  await new Promise<void>((resolve, reject) => file.sync((error) => (error ? reject(error) : resolve())));
  expect(content().equals(model.subarray(0, end))).toBe(true);
});

test("a disk that is told so writes all of it the usual way", async () => {
  const seen = watch();
  disk = openNodeDisk(directory, { direct: false });
  const other = await create("other");
  const bytes = noise(1_000_000);
  await write(0, [bytes], "direct", other);
  other.close();
  expect(content("other").equals(bytes)).toBe(true);
  expect(seen.opened).toBe(0);
});

/** Pieces of `bytes` as long as these, each at a unit of memory that begins at a page, `shift` bytes behind it. */
function pieces(bytes: Buffer, lengths: readonly number[], shift = 0): Uint8Array[] {
  const memory = createPageMemory(32 * KIB * KIB, { shared: true }) as PageMemory;
  let from = 0;
  let place = shift;
  return lengths.map((length) => {
    const piece = new Uint8Array(memory.buffer, place, length);
    piece.set(bytes.subarray(from, from + length));
    from += length;
    place += Math.ceil(length / 4096) * 4096 + 4096;
    return piece;
  });
}

test("what lies at units already is written from where it lies, several pieces in a call of at most four MiB", async (context) => {
  if (!(await takesDirect())) context.skip("this file system takes no direct writes");
  const seen = watch();
  const bytes = noise(6_291_456);
  const chunks = pieces(bytes, Array<number>(6).fill(1024 * KIB));
  await write(8192, chunks);
  expect(content().subarray(8192).equals(bytes)).toBe(true);
  const place = ({ buffer, byteOffset, length }: Uint8Array): readonly unknown[] => [
    buffer === chunks[0]?.buffer,
    byteOffset,
    length,
  ];
  expect(seen.calls.map((call) => ({ position: call.position, from: call.chunks.map(place) }))).toEqual([
    { position: 8192, from: chunks.slice(0, 4).map(place) },
    { position: 8192 + 4096 * KIB, from: chunks.slice(4).map(place) },
  ]);
});

test.each([
  { what: "lie between units", lengths: [1024 * KIB, 1024 * KIB], shift: 101, position: 0 },
  { what: "go between units", lengths: [1024 * KIB, 1024 * KIB], shift: 0, position: 4000 },
  { what: "end between units", lengths: [1024 * KIB, 1_000_001, 1024 * KIB], shift: 0, position: 4096 },
])(
  "pieces that $what come where they belong, and no disk has to refuse them",
  async ({ lengths, shift, position }) => {
    const seen = watch();
    const bytes = noise(lengths.reduce((sum, length) => sum + length));
    const shorter = lengths.with(0, (lengths[0] ?? 0) - 10);
    const part = (from: number, length: number): Buffer => content().subarray(from, from + length);
    await write(position, [bytes.subarray(0, 10), ...pieces(bytes.subarray(10), shorter, shift)]);
    expect(part(position, bytes.length).equals(bytes)).toBe(true);
    await write(position + 4096 * 1000, pieces(bytes, lengths, shift));
    expect(part(position + 4096 * 1000, bytes.length).equals(bytes)).toBe(true);
    // Buffers of Node.js lie anywhere, though they are whole units long.
    const buffer = Buffer.from(bytes.subarray(0, 1024 * KIB));
    await write(4096 * 2000, [buffer]);
    expect(part(4096 * 2000, buffer.length).equals(buffer)).toBe(true);
    expect(seen.refused).toBe(0);
  },
);

test("what is small goes the usual way", async () => {
  const seen = watch();
  await write(0, [noise(60 * KIB)]);
  await write(60 * KIB + 1, [noise(65 * KIB)]);
  expect(seen.opened).toBe(0);
});

test("what is under way is bounded over all files, and files that wait for room all come to their end", async (context) => {
  if (!(await takesDirect())) context.skip("this file system takes no direct writes");
  const seen = watch();
  const files = await Promise.all(Array.from({ length: 20 }, (_, at) => create(`file${at}`)));
  const bytes = noise(7_000_000);
  let most = 0;
  seen.instead = () => {
    most = Math.max(most, seen.calls.filter(({ isOver }) => !isOver).length);
    return false;
  };
  await Promise.all(files.map((each) => write(0, [bytes], "direct", each)));
  for (const at of files.keys()) expect(content(`file${at}`).equals(bytes)).toBe(true);
  expect(most).toBe(2);
  for (const each of files) each.close();
});

test.each(["EINVAL", "EOPNOTSUPP"])(
  "a file system that refuses with %s at the first write gets all of it the usual way, and is not asked again",
  async (code) => {
    const seen = watch();
    seen.instead = (_, done) => {
      setImmediate(done, Object.assign(new Error("refused"), { code }));
      return true;
    };
    const bytes = noise(2_500_000);
    await write(0, [bytes]);
    expect(content().equals(bytes)).toBe(true);
    const { length } = seen.calls;
    const other = await create("other");
    await write(0, [bytes], "direct", other);
    other.close();
    expect(content("other").equals(bytes)).toBe(true);
    expect(seen.calls).toHaveLength(length);
  },
);

test.for(["ENOMEM", "EAGAIN", "EINTR"])(
  "%s, which another try may not meet, sends one write the usual way and not the next",
  async (code, context) => {
    if (!(await takesDirect())) context.skip("this file system takes no direct writes");
    const seen = watch();
    seen.instead = (call, done) => {
      if (call !== 1) return false;
      setImmediate(done, Object.assign(new Error("not now"), { code }));
      return true;
    };
    const bytes = noise(1_000_000);
    await write(0, [bytes]);
    await write(1_000_000, [bytes]);
    expect(content().equals(Buffer.concat([bytes, bytes]))).toBe(true);
    expect(seen.calls).toHaveLength(2);
  },
);

test("without a descriptor left, a write goes the usual way, and the next one asks again", async (context) => {
  if (!(await takesDirect())) context.skip("this file system takes no direct writes");
  const realOpen = fs.open;
  let asked = 0;
  vi.spyOn(fs, "open").mockImplementation(((path: string, flags: number, done: Done) => {
    if (typeof flags !== "number" || (flags & DIRECT) === 0 || ++asked > 1) {
      return realOpen(path, flags, done as never);
    }
    setImmediate(done, Object.assign(new Error("too many"), { code: "EMFILE" }));
    return undefined;
  }) as never);
  const bytes = noise(1_000_000);
  await write(0, [bytes]);
  await write(1_000_000, [bytes]);
  expect(content().equals(Buffer.concat([bytes, bytes]))).toBe(true);
  expect(asked).toBe(2);
});

test("a file is written to though another has its name by now", async () => {
  fs.unlinkSync(join(directory, "block"));
  const second = await create("block");
  await write(0, [noise(1_000_000)]);
  second.close();
  expect(content()).toHaveLength(0);
});

test("a file system that refuses at the opening gets it the usual way", async () => {
  const realOpen = fs.open;
  let refused = 0;
  vi.spyOn(fs, "open").mockImplementation(((path: string, flags: number, done: Done) => {
    if (typeof flags !== "number" || (flags & DIRECT) === 0) return realOpen(path, flags, done as never);
    refused++;
    setImmediate(done, Object.assign(new Error("EINVAL"), { code: "EINVAL" }));
    return undefined;
  }) as never);
  const bytes = noise(1_000_000);
  await Promise.all([write(0, [bytes]), write(1_000_000, [bytes])]);
  await write(2_000_000, [bytes]);
  expect(content().equals(Buffer.concat([bytes, bytes, bytes]))).toBe(true);
  expect(refused).toBeLessThanOrEqual(1);
});

test("a call that is cut short is continued", async (context) => {
  if (!(await takesDirect())) context.skip("this file system takes no direct writes");
  const seen = watch();
  const bytes = noise(9_000_000);
  seen.instead = (call, done) => {
    if (call !== 2) return false;
    const { position } = seen.calls[1] as { position: number };
    const other = fs.openSync(join(directory, "block"), "r+");
    fs.writeSync(other, bytes, position, 8192, position);
    fs.closeSync(other);
    setImmediate(done, null, 8192);
    return true;
  };
  await write(0, [bytes]);
  expect(content().equals(bytes)).toBe(true);
});

test("the error of a call is told once, and no further call begins", async (context) => {
  if (!(await takesDirect())) context.skip("this file system takes no direct writes");
  const seen = watch();
  seen.instead = (call, done) => {
    if (call !== 2) return false;
    setImmediate(done, Object.assign(new Error("no room"), { code: "ENOSPC" }));
    return true;
  };
  const told = vi.fn<(error: Error | undefined) => void>();
  file.write(100, [Buffer.alloc(16_000_000)], "direct", told);
  await vi.waitFor(() => expect(told).toHaveBeenCalled());
  expect(told.mock.calls).toMatchObject([[{ code: "ENOSPC" }]]);
  expect(seen.calls).toHaveLength(2);
  await write(0, [noise(2_000_000)]);
});

test("a closed file leaves no descriptor behind", async () => {
  const open = (): number => fs.readdirSync("/proc/self/fd").length;
  const before = open();
  const other = await create("other");
  await write(0, [noise(500_000)], "direct", other);
  await write(500_000, [noise(500_000)], "durable", other);
  other.write(1_000_000, [noise(500_000)], "direct", () => undefined);
  other.close();
  await vi.waitFor(() => expect(open()).toBe(before));
  expect(content("other")).toHaveLength(1_500_000);
});
