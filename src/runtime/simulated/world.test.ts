import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../bytes.ts";
import type { World } from "../world.ts";
import { SeededRandom } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { SimulatedWorld } from "./world.ts";
import type { WorldHooks } from "./world.ts";

function worldOf(
  seed: number,
  hooks: WorldHooks = {},
): { world: SimulatedWorld; boot: (id: string) => World } {
  const world = new SimulatedWorld(seed, {}, hooks);
  const boot = (id: string): World => {
    let given: World | undefined;
    world.machine(id).start((each) => (given = each));
    world.scheduler.runUntil(world.scheduler.nowMs);
    if (given === undefined) throw new Error("not started");
    return given;
  };
  return { world, boot };
}

test("events run in the order of their time, and of their making at one time", () => {
  const scheduler = new Scheduler();
  const random = SeededRandom.fromSeed(1);
  const seen: [number, number][] = [];
  for (let made = 0; made < 2000; made++) {
    const timeMs = random.integer(0, 50);
    const timer = scheduler.at(timeMs, () => seen.push([scheduler.nowMs, made]));
    if (random.chance(0.2)) timer.cancel();
  }
  scheduler.runUntil(100);
  expect(seen.length).toBeGreaterThan(1000);
  const sorted = seen.toSorted((left, right) => left[0] - right[0] || left[1] - right[1]);
  expect(seen).toEqual(sorted);
  expect(scheduler.nowMs).toBe(100);
});

test("a cancelled event does not drag later ones into an earlier window", () => {
  const scheduler = new Scheduler();
  let ran = false;
  scheduler.at(1, () => undefined).cancel();
  scheduler.at(50, () => (ran = true));
  scheduler.runUntil(10);
  expect(ran).toBe(false);
});

test("streams of one seed are independent of each other and of how much was drawn", () => {
  const first = SeededRandom.fromSeed(7);
  const second = SeededRandom.fromSeed(7);
  for (let drawn = 0; drawn < 10; drawn++) second.next32();
  expect(first.split("a").next32()).toBe(second.split("a").next32());
  expect(first.split("a").next32()).not.toBe(first.split("b").next32());
  expect(SeededRandom.fromSeed(7).next32()).not.toBe(SeededRandom.fromSeed(8).next32());
  const floats = Array.from({ length: 10_000 }, () => first.float());
  const mean = floats.reduce((sum, each) => sum + each, 0) / floats.length;
  expect(mean).toBeGreaterThan(0.48);
  expect(mean).toBeLessThan(0.52);
});

test("a clock that runs fast fires its timers early and shows more time", () => {
  const { world, boot } = worldOf(1);
  world.addMachine("fast", { clock: { rate: 2, timerLatenessMs: 0 } });
  const fast = boot("fast");
  const before = fast.clock.monotonicMs();
  let firedAt = 0;
  fast.clock.setTimer(100, () => (firedAt = world.scheduler.nowMs));
  world.scheduler.runUntil(200);
  expect(firedAt).toBe(50);
  expect(fast.clock.monotonicMs() - before).toBeCloseTo(400);
});

test("a jump of the date leaves the monotonic clock alone", () => {
  const { world, boot } = worldOf(1);
  world.addMachine("n1");
  const n1 = boot("n1");
  const monotonic = n1.clock.monotonicMs();
  const wall = n1.clock.wallMs();
  world.machine("n1").wallOffsetMs -= 60_000;
  expect(n1.clock.monotonicMs()).toBe(monotonic);
  expect(n1.clock.wallMs()).toBe(wall - 60_000);
});

test("a paused process gets its timers late and its messages all at once, in one moment", () => {
  const { world, boot } = worldOf(3);
  world.addMachine("n1");
  world.addMachine("n2");
  const n1 = boot("n1");
  const n2 = boot("n2");
  n1.network.setPeers(new Map([["n2", ""]]));
  n2.network.setPeers(new Map([["n1", ""]]));
  const seen: [string, number][] = [];
  n1.network.onFrame(() => seen.push(["frame", world.scheduler.nowMs]));
  n1.clock.setTimer(10, () => seen.push(["timer", world.scheduler.nowMs]));
  world.scheduler.after(5, () => world.machine("n1").pause());
  world.scheduler.after(500, () => world.machine("n1").resume());
  for (let sent = 0; sent < 5; sent++)
    world.scheduler.after(20, () => n2.network.send("n1", [bytesFromLatin1("x")]));
  world.scheduler.runUntil(499);
  expect(seen).toEqual([]);
  world.scheduler.runUntil(600);
  expect(seen.map(([kind]) => kind).sort()).toEqual(["frame", "frame", "frame", "frame", "frame", "timer"]);
  expect(seen.every(([, at]) => at === 500)).toBe(true);
});

test("a timer that is cancelled while its process is paused does not fire", () => {
  const { world, boot } = worldOf(3);
  world.addMachine("n1", { clock: { timerLatenessMs: 0 } });
  const n1 = boot("n1");
  let fired = 0;
  const second = n1.clock.setTimer(11, () => fired++);
  n1.clock.setTimer(10, () => second.cancel());
  world.machine("n1").pause();
  world.scheduler.runUntil(20);
  world.machine("n1").resume();
  expect(fired).toBe(0);
});

test("the end of a turn comes after the input that is ready, once for all who asked", () => {
  const { world, boot } = worldOf(3);
  world.addMachine("n1", { clock: { timerLatenessMs: 0 } });
  const n1 = boot("n1");
  const seen: string[] = [];
  for (const name of ["a", "b"]) {
    n1.clock.setTimer(1, () => {
      seen.push(name);
      n1.clock.endOfTurn(() => seen.push(`end ${name}`));
    });
  }
  world.scheduler.runUntil(10);
  expect(seen).toEqual(["a", "b", "end a", "end b"]);
});

test("fatal ends only that process, at once, even if its code catches the exception", () => {
  const fatal: string[] = [];
  const { world, boot } = worldOf(3, { onFatal: (id, error) => fatal.push(`${id}: ${error.message}`) });
  world.addMachine("n1");
  world.addMachine("n2");
  const n1 = boot("n1");
  boot("n2");
  let later = 0;
  n1.clock.setTimer(1, () => {
    n1.clock.setTimer(1, () => later++);
    try {
      n1.fatal(new Error("fsync failed"));
    } catch {
      n1.clock.endOfTurn(() => later++);
    }
  });
  world.scheduler.runUntil(100);
  expect(fatal).toEqual(["n1: fsync failed"]);
  expect(later).toBe(0);
  expect(world.machine("n1").running).toBe(false);
  expect(world.machine("n2").running).toBe(true);
  boot("n1");
  expect(world.machine("n1").running).toBe(true);
});

test("an error that leaves a callback ends the process and is reported", () => {
  const errors: unknown[] = [];
  const { world, boot } = worldOf(3, { onUncaught: (_, error) => errors.push(error) });
  world.addMachine("n1");
  const n1 = boot("n1");
  const bug = new TypeError("bug");
  n1.clock.setTimer(1, () => {
    throw bug;
  });
  world.scheduler.runUntil(100);
  expect(errors).toEqual([bug]);
  expect(world.machine("n1").running).toBe(false);
});

test("the same seed gives the same trace, another seed another one", () => {
  const run = (seed: number): string => {
    const world = new SimulatedWorld(seed, { loss: 0.1, duplicate: 0.2, reorder: 0.3 });
    for (const id of ["n1", "n2"]) {
      const machine = world.addMachine(id, { disk: { stall: 0.1, garbage: 0.5 } });
      machine.start(({ network, disk, clock, random }) => {
        network.setPeers(
          new Map([
            ["n1", ""],
            ["n2", ""],
          ]),
        );
        network.onFrame((from, frame) => network.send(from, [frame]));
        disk.create("log", 4096, (_, file) => {
          const write = (): void =>
            file?.write(random.next32() % 4096, [bytesFromLatin1("hello")], "durable", () => write());
          write();
          network.send("n1", [bytesFromLatin1(`${clock.wallMs()}`)]);
        });
      });
    }
    world.scheduler.after(300, () => world.machine("n2").losePower());
    world.scheduler.runUntil(1000);
    return world.trace.hash();
  };
  expect(run(5)).toBe(run(5));
  expect(run(5)).not.toBe(run(6));
});
