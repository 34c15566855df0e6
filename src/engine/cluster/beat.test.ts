import { expect, test } from "vitest";
import { createClock } from "../../runtime/node/clock.ts";
import { createLogger } from "../../runtime/node/logger.ts";
import { openTcpNetwork } from "../../runtime/node/network.ts";
import { SimulatedWorld } from "../../runtime/simulated/world.ts";
import { bytesFromUtf8 } from "../../runtime/bytes.ts";
import type { World } from "../../runtime/world.ts";
import { Beat } from "./beat.ts";

function onMachine(run: (world: World) => void): SimulatedWorld {
  const simulated = new SimulatedWorld(1);
  simulated.addMachine("n1").start(run);
  return simulated;
}

test("groups that began at different times act in the same turn, and one that stopped no more", () => {
  const turns: string[][] = [];
  const simulated = onMachine(({ clock }) => {
    const beat = new Beat(clock);
    let turn: string[] | undefined;
    const act = (group: string) => (): void => {
      if (turn === undefined) {
        turns.push((turn = []));
        clock.endOfTurn(() => (turn = undefined));
      }
      turn.push(group);
    };
    beat.every(25, act("g0"));
    clock.setTimer(40, () => {
      const second = beat.every(25, act("g1"));
      clock.setTimer(60, () => second.cancel());
    });
  });
  simulated.scheduler.runUntil(160);
  expect(turns.slice(0, 5)).toEqual([["g0"], ["g0", "g1"], ["g0", "g1"], ["g0"], ["g0"]]);
});

test("who has nothing left to do at an interval keeps no timer", () => {
  const simulated = onMachine(({ clock }) => {
    const beat = new Beat(clock);
    const works = [beat.every(25, () => undefined), beat.every(25, () => undefined)];
    for (const work of works) work.cancel();
    for (const work of works) work.cancel();
  });
  simulated.scheduler.runUntil(10);
  const { steps } = simulated.scheduler;
  simulated.scheduler.runUntil(1_000);
  expect(simulated.scheduler.steps).toBe(steps);
});

test("what two groups send to a peer in one turn leaves in one write to its socket", async () => {
  const clock = createClock();
  const random = { next32: () => 7, float: () => 0.5 };
  const logger = createLogger({ level: "error", format: "json" });
  const open = (id: string) =>
    openTcpNetwork({ id, clusterId: "0123456789abcdef", port: 0, clock, random, logger });
  const [left, right] = [await open("n1"), await open("n2")];
  try {
    const received: string[] = [];
    const batches: number[] = [];
    let inTurn = 0;
    const both = new Promise<void>((resolve) => {
      right.onFrame((_, frame) => {
        received.push(frame.toString("utf8"));
        if (inTurn++ === 0) {
          setImmediate(() => {
            batches.push(inTurn);
            inTurn = 0;
            if (received.length >= 2) resolve();
          });
        }
      });
    });
    const up = new Promise<void>((resolve) => left.onLink((_, isUp) => isUp && resolve()));
    left.setPeers(new Map([["n2", `127.0.0.1:${right.port}`]]));
    right.setPeers(new Map([["n1", `127.0.0.1:${left.port}`]]));
    await up;
    const beat = new Beat(clock);
    const beats = ["g0", "g1"].map((group) => {
      const timer = beat.every(25, () => {
        timer.cancel();
        clock.endOfTurn(() => left.send("n2", [bytesFromUtf8(group)]));
      });
      return timer;
    });
    await both;
    for (const timer of beats) timer.cancel();
    expect(received).toEqual(["g0", "g1"]);
    expect(batches).toEqual([2]);
  } finally {
    left.close();
    right.close();
    await Promise.all([left.closed, right.closed]);
  }
});
