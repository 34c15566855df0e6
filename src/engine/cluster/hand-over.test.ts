import { expect, test } from "vitest";
import { SimulatedWorld } from "../../runtime/simulated/world.ts";
import { HAND_OVER_TIMEOUT_MS, handOverLeadership } from "./hand-over.ts";

/** A node whose successor comes when a test says so, and the virtual milliseconds after which it no longer waited. */
class Stopping {
  endedMs: number | undefined;
  private isAwaited: boolean;
  private readonly listeners: (() => void)[] = [];
  private readonly simulated = new SimulatedWorld(1);

  constructor(isAwaited: boolean) {
    this.isAwaited = isAwaited;
    this.simulated.addMachine("n1").start(({ clock }) => {
      const beganMs = clock.monotonicMs();
      const node = {
        handOver: () => () => this.isAwaited,
        onChange: (listener: () => void) => void this.listeners.push(listener),
      };
      void handOverLeadership(node, clock).then(() => (this.endedMs = clock.monotonicMs() - beganMs));
    });
  }

  async after(ms: number): Promise<this> {
    this.simulated.scheduler.runUntil(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return this;
  }

  changes(isAwaited: boolean): void {
    this.isAwaited = isAwaited;
    for (const listener of this.listeners) listener();
  }
}

test("a node that leads nothing that another can take does not wait at all", async () => {
  expect((await new Stopping(false).after(1)).endedMs).toBeDefined();
});

test("a node waits until others lead what it led, or nobody is left who could", async () => {
  const node = await new Stopping(true).after(100);
  expect(node).toMatchObject({ endedMs: undefined });
  node.changes(true);
  expect(await node.after(200)).toMatchObject({ endedMs: undefined });
  node.changes(false);
  expect((await node.after(200)).endedMs).toBeDefined();
});

test("a successor that does not take over is waited for no longer than two seconds", async () => {
  const node = await new Stopping(true).after(HAND_OVER_TIMEOUT_MS - 10);
  expect(node.endedMs).toBeUndefined();
  expect((await node.after(HAND_OVER_TIMEOUT_MS + 10)).endedMs).toBeDefined();
});
