import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { expect, test, vi } from "vitest";
import { streamBytes } from "../../files/blocks/block-store.testing.ts";
import { LentSender } from "./pace.ts";

const KIB = 1024;

/** A connection whose client takes a part after so many milliseconds. */
class Client extends EventEmitter {
  destroyed = false;
  takesMs = 0;
  readonly parts: number[] = [];
  readonly got: Buffer[] = [];

  write(bytes: Uint8Array, taken: () => void): boolean {
    this.parts.push(bytes.length / KIB);
    setTimeout(() => {
      if (this.destroyed) return;
      this.got.push(Buffer.from(bytes));
      taken();
    }, this.takesMs);
    return false;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

test("a quick client gets ever larger parts; a slow one small ones, and is not cut while it takes them", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const client = new Client();
    const sender = new LentSender(client as unknown as ServerResponse, 1_000);
    const content = streamBytes(1, 0, 2048 * KIB);
    const send = async (takesMs: number): Promise<number[]> => {
      client.takesMs = takesMs;
      const sent = sender.send(content);
      await vi.advanceTimersByTimeAsync(60_000);
      await sent;
      return client.parts.splice(0);
    };
    expect(await send(1)).toEqual([64, 128, 256, 512, 1024, 64]);
    expect(await send(1)).toEqual([2048]);
    expect(await send(900)).toEqual([2048]);
    // All of it takes half a minute, much longer than anybody may take nothing.
    expect(await send(900)).toEqual(Array.from({ length: 32 }, () => 64));
    expect(client.destroyed).toBe(false);
    expect(Buffer.concat(client.got).equals(Buffer.concat([content, content, content, content]))).toBe(true);
    expect(await send(1_100)).toEqual([64]);
    expect(client.destroyed).toBe(true);
    expect(client.listenerCount("close")).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
