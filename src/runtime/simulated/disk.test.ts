import { expect, test } from "vitest";
import { bytesFromLatin1, zeroBytes } from "../bytes.ts";
import type { DiskFile, World } from "../world.ts";
import type { DiskOptions } from "./disk.ts";
import { SimulatedWorld } from "./world.ts";
import type { SimulatedMachine } from "./world.ts";

interface Bench {
  machine: SimulatedMachine;
  boot: () => World;
  /** Runs until `start`'s callback was called, and gives what it was called with. */
  wait: <Result>(start: (done: (result: Result) => void) => void) => Result;
  create: (given: World, name: string, sizeBytes: number) => DiskFile;
  write: (file: DiskFile, position: number, text: string, durable: boolean) => Error | undefined;
  text: (given: World, name: string, position?: number, length?: number) => string;
  run: (ms: number) => void;
}

function bench(seed: number, options: Partial<DiskOptions> = {}, mayDecay = false): Bench {
  const world = new SimulatedWorld(seed);
  const machine = world.addMachine("n1", { disk: options, mayDecay });
  const wait: Bench["wait"] = (start) => {
    let outcome: { result: Parameters<Parameters<typeof start>[0]>[0] } | undefined;
    start((result) => (outcome = { result }));
    while (outcome === undefined && world.scheduler.step());
    if (outcome === undefined) throw new Error("never called back");
    return outcome.result;
  };
  return {
    machine,
    boot: () => wait<World>((done) => machine.start(done)),
    wait,
    create(given, name, sizeBytes) {
      const file = wait<DiskFile | undefined>((done) =>
        given.disk.create(name, sizeBytes, (_, created) => done(created)),
      );
      if (file === undefined) throw new Error("not created");
      return file;
    },
    write: (file, position, text, durable) =>
      wait<Error | undefined>((done) =>
        file.write(position, [bytesFromLatin1(text)], durable ? "durable" : "cached", done),
      ),
    text: (given, name, position = 0, length = 1e6) =>
      given.disk.read(name, position, length).toString("latin1"),
    run: (ms) => world.scheduler.runUntil(world.scheduler.nowMs + ms),
  };
}

/** Runs a scenario under many seeds and gives the set of its outcomes. */
function outcomes(count: number, scenario: (seed: number) => string): Set<string> {
  return new Set(Array.from({ length: count }, (_, seed) => scenario(seed)));
}

test("what was written is read back, across sectors and in parts", () => {
  const { boot, create, write, text } = bench(1);
  const world = boot();
  const file = create(world, "a", 100);
  expect(text(world, "a")).toBe("\0".repeat(100));
  write(file, 500, "x".repeat(600), false);
  write(file, 510, "yyyy", true);
  expect(world.disk.size("a")).toBe(1100);
  expect(text(world, "a", 499, 17)).toBe(`\0${"x".repeat(10)}yyyy${"x".repeat(2)}`);
  expect(text(world, "a", 1090)).toBe("x".repeat(10));
  expect(text(world, "a", 5000)).toBe("");
});

test("errors: a missing file, an existing one, a closed one", () => {
  const { boot, create, wait, write } = bench(1);
  const world = boot();
  const file = create(world, "a", 0);
  const { disk } = world;
  expect(wait<Error | undefined>((done) => disk.create("a", 0, done))).toMatchObject({ code: "EEXIST" });
  expect(wait<Error | undefined>((done) => disk.open("b", done))).toMatchObject({ code: "ENOENT" });
  expect(wait<Error | undefined>((done) => disk.rename("b", "c", done))).toMatchObject({ code: "ENOENT" });
  expect(wait<Error | undefined>((done) => disk.remove("b", done))).toMatchObject({ code: "ENOENT" });
  expect(() => disk.read("b", 0, 1)).toThrow(/ENOENT/);
  file.close();
  expect(write(file, 0, "x", true)).toBeInstanceOf(Error);
});

test("what is durable survives every power failure; what is not survives in part", () => {
  const seen = outcomes(60, (seed) => {
    const { boot, create, write, text, wait, machine } = bench(seed, { garbage: 0.2 });
    const world = boot();
    const file = create(world, "a", 4096);
    wait((done) => world.disk.syncDirectory(done));
    write(file, 0, "A".repeat(1024), true);
    write(file, 1024, "B".repeat(1024), false);
    machine.losePower();
    const after = text(boot(), "a");
    expect(after.slice(0, 1024)).toBe("A".repeat(1024));
    expect(after.slice(2048)).toBe("\0".repeat(2048));
    return [after.slice(1024, 1536), after.slice(1536, 2048)]
      .map((sector) => (/^B*$/.test(sector) ? "kept" : /^\0*$/.test(sector) ? "lost" : "garbage"))
      .join();
  });
  for (const torn of ["kept,kept", "lost,lost", "kept,lost", "lost,kept"]) expect(seen).toContain(torn);
  expect([...seen].some((each) => each.includes("garbage"))).toBe(true);
});

test("garbage stays inside what the lost write covered", () => {
  outcomes(40, (seed) => {
    const { boot, create, write, text, wait, machine } = bench(seed, { garbage: 1 });
    const world = boot();
    const file = create(world, "a", 512);
    wait((done) => world.disk.syncDirectory(done));
    write(file, 0, "A".repeat(100), true);
    write(file, 100, "B".repeat(100), false);
    machine.losePower();
    const after = text(boot(), "a");
    expect(after.slice(0, 100)).toBe("A".repeat(100));
    expect(after.slice(200)).toBe("\0".repeat(312));
    return "";
  });
});

test("sync covers the writes that were completed before it, and a durable write only itself", () => {
  const seen = outcomes(30, (seed) => {
    const { boot, create, write, text, wait, machine } = bench(seed);
    const world = boot();
    const file = create(world, "a", 2048);
    wait((done) => world.disk.syncDirectory(done));
    write(file, 0, "A", false);
    expect(wait<Error | undefined>((done) => file.sync(done))).toBeUndefined();
    write(file, 512, "B", false);
    write(file, 1024, "C", true);
    machine.losePower();
    const after = boot();
    return text(after, "a", 0, 1) + text(after, "a", 512, 1) + text(after, "a", 1024, 1);
  });
  expect(seen).toEqual(new Set(["ABC", "A\0C"]));
});

test("the end of a process loses nothing that was completed, and leaves what was under way in any state", () => {
  const seen = outcomes(60, (seed) => {
    const { boot, create, write, text, machine } = bench(seed);
    const world = boot();
    const file = create(world, "a", 1024);
    write(file, 0, "done", false);
    file.write(512, [bytesFromLatin1("BB")], "cached", () => undefined);
    machine.kill();
    const after = boot();
    expect(text(after, "a", 0, 4)).toBe("done");
    return text(after, "a", 512, 2);
  });
  expect(seen).toEqual(new Set(["\0\0", "B\0", "BB"]));
});

test("a name is durable only after the directory is synced; a rename is never half done", () => {
  const seen = outcomes(80, (seed) => {
    const { boot, create, write, text, wait, machine } = bench(seed);
    const world = boot();
    const old = create(world, "current", 10);
    write(old, 0, "old", true);
    wait((done) => world.disk.syncDirectory(done));
    const fresh = create(world, "temporary", 10);
    write(fresh, 0, "new", true);
    wait((done) => world.disk.rename("temporary", "current", done));
    machine.losePower();
    const after = boot();
    return `${text(after, "current", 0, 3)} ${after.disk.list().join()}`;
  });
  expect(seen).toEqual(new Set(["old current", "old current,temporary", "new current"]));

  const { boot, create, wait, machine } = bench(1);
  const world = boot();
  create(world, "kept", 10);
  create(world, "removed", 10);
  wait((done) => world.disk.remove("removed", done));
  wait((done) => world.disk.syncDirectory(done));
  machine.losePower();
  expect(boot().disk.list()).toEqual(["kept"]);
});

test("a removal that was not synced may come undone", () => {
  const seen = outcomes(30, (seed) => {
    const { boot, create, wait, machine } = bench(seed);
    const world = boot();
    create(world, "a", 10);
    wait((done) => world.disk.syncDirectory(done));
    wait((done) => world.disk.remove("a", done));
    machine.losePower();
    return boot().disk.list().join();
  });
  expect(seen).toEqual(new Set(["", "a"]));
});

test("a truncation is kept or lost as a whole", () => {
  const seen = outcomes(40, (seed) => {
    const { boot, create, write, text, wait, machine } = bench(seed);
    const world = boot();
    const file = create(world, "a", 0);
    wait((done) => world.disk.syncDirectory(done));
    write(file, 0, "A".repeat(2048), true);
    wait((done) => file.truncate(700, done));
    expect(text(world, "a")).toBe("A".repeat(700));
    machine.losePower();
    const after = text(boot(), "a");
    expect(after).toBe("A".repeat(after.length));
    return `${after.length}`;
  });
  expect(seen).toEqual(new Set(["700", "2048"]));
});

test("rot flips one bit, unreadable sectors throw until they are written anew; only where damage is allowed", () => {
  const { boot, create, write, text, machine } = bench(1, {}, true);
  const world = boot();
  const file = create(world, "a", 512);
  write(file, 0, "A".repeat(512), true);
  expect(machine.disk.decay("rot")).toBe(true);
  const rotten = text(world, "a");
  expect(rotten.replaceAll("A", "").length).toBe(1);
  machine.disk.decay("unreadable");
  expect(() => text(world, "a")).toThrow(/EIO/);
  write(file, 0, "B".repeat(512), true);
  expect(text(world, "a")).toBe("B".repeat(512));
  expect(() => bench(1).machine.disk.decay("rot")).toThrow(/must keep/);
});

test("a misdirected write reports success and lands elsewhere; never on a disk that must not decay", () => {
  const seen = outcomes(20, (seed) => {
    const { boot, create, write, text } = bench(seed, { misdirect: 1 }, true);
    const world = boot();
    const file = create(world, "a", 4096);
    expect(write(file, 0, "X", true)).toBeUndefined();
    return `${text(world, "a").indexOf("X")}`;
  });
  expect(seen.size).toBeGreaterThan(3);
  const { boot, create, write, text } = bench(1, { misdirect: 1 });
  const world = boot();
  write(create(world, "a", 4096), 0, "X", true);
  expect(text(world, "a").indexOf("X")).toBe(0);
});

test("a misdirected read gives what is elsewhere, in this file or another, and damages nothing; never on a disk that must not decay", () => {
  const read = (seed: number, mayDecay: boolean, opened: boolean): string => {
    const { boot, create, write, text, wait, machine } = bench(seed, {}, mayDecay);
    const world = boot();
    const file = create(world, "a", 0);
    write(file, 0, ["a", "b", "c", "d"].map((letter) => letter.repeat(512)).join(""), true);
    write(create(world, "b", 0), 0, "B".repeat(700), true);
    machine.disk.options.misdirectRead = 1;
    const bytes = opened
      ? wait<Uint8Array | undefined>((done) => file.read(512, 512, (_, given) => done(given)))
      : world.disk.read("a", 512, 512);
    // Who reads again reads what is there.
    expect(text(world, "a", 512, 512)).toBe("b".repeat(512));
    expect([machine.disk.misdirectedReads, machine.disk.decays]).toEqual([mayDecay ? 1 : 0, 0]);
    expect(bytes).toHaveLength(512);
    return String.fromCharCode(bytes?.[0] ?? 0, bytes?.[511] ?? 0);
  };
  for (const opened of [false, true]) {
    const seen = outcomes(50, (seed) => read(seed, true, opened));
    // The start and the end of the other file, and the places of this one.
    for (const content of ["BB", "B\0", "aa", "cc", "dd"]) expect(seen).toContain(content);
    expect(outcomes(10, (seed) => read(seed, false, opened))).toEqual(new Set(["bb"]));
  }
});

test("failed writes and syncs say so", () => {
  const { boot, create, write, wait, machine } = bench(1);
  const world = boot();
  const file = create(world, "a", 4096);
  machine.disk.options.writeError = 1;
  expect(write(file, 0, "X", true)).toMatchObject({ code: "EIO" });
  expect(wait<Error | undefined>((done) => file.sync(done))).toMatchObject({ code: "EIO" });
  expect(wait<Error | undefined>((done) => world.disk.syncDirectory(done))).toMatchObject({ code: "EIO" });
  machine.disk.options.readError = 1;
  expect(() => world.disk.read("a", 0, 1)).toThrow(/EIO/);
});

test("after a failed sync the pages look clean and are not: the next sync succeeds and saves nothing", () => {
  const seen = outcomes(30, (seed) => {
    const { boot, create, write, text, wait, machine } = bench(seed, { lostPages: true });
    const world = boot();
    const file = create(world, "a", 512);
    wait((done) => world.disk.syncDirectory(done));
    write(file, 0, "X", false);
    machine.disk.options.writeError = 1;
    expect(wait<Error | undefined>((done) => file.sync(done))).toBeInstanceOf(Error);
    machine.disk.options.writeError = 0;
    expect(wait<Error | undefined>((done) => file.sync(done))).toBeUndefined();
    expect(text(world, "a", 0, 1)).toBe("X");
    machine.losePower();
    return text(boot(), "a", 0, 1);
  });
  expect(seen).toEqual(new Set(["\0"]));
});

test("a full disk refuses to grow and goes on reading and overwriting", () => {
  const { boot, create, write, text, wait } = bench(1, { capacityBytes: 1000 });
  const world = boot();
  const file = create(world, "a", 600);
  expect(world.disk.freeBytes()).toBe(400);
  expect(wait<Error | undefined>((done) => world.disk.create("b", 500, done))).toMatchObject({
    code: "ENOSPC",
  });
  expect(write(file, 0, "X", true)).toBeUndefined();
  expect(wait<Error | undefined>((done) => file.write(600, [zeroBytes(500)], "durable", done))).toMatchObject(
    {
      code: "ENOSPC",
    },
  );
  expect(text(world, "a", 0, 1)).toBe("X");
  wait((done) => world.disk.remove("a", done));
  expect(world.disk.freeBytes()).toBe(1000);
});

test("a stalled operation comes late, and a write's bytes are taken when it happens", () => {
  const { boot, create, text, machine, run } = bench(1);
  const world = boot();
  const file = create(world, "a", 512);
  Object.assign(machine.disk.options, { stall: 1, stallMs: 10_000 });
  const buffer = bytesFromLatin1("before");
  let done = false;
  file.write(0, [buffer], "durable", () => (done = true));
  buffer.set(bytesFromLatin1("AFTER!"));
  run(50);
  expect(done).toBe(false);
  run(200_000);
  expect(done).toBe(true);
  expect(text(world, "a", 0, 6)).toBe("AFTER!");
});

test("what a dead process had asked for does not happen in its next life", () => {
  const { boot, create, text, machine, run } = bench(3);
  const world = boot();
  const file = create(world, "a", 512);
  machine.kill();
  const second = boot();
  file.write(0, [bytesFromLatin1("ghost")], "durable", () => undefined);
  run(1000);
  expect(text(second, "a", 0, 5)).toBe("\0\0\0\0\0");
});
