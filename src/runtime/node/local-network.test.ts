import { expect, test } from "vitest";
import type { Network } from "../world.ts";
import { createLocalHub } from "./local-network.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What a member was told of last, by its peer. */
function watched(network: Network): Map<string, boolean> {
  const links = new Map<string, boolean>();
  network.onLink((peer, up) => links.set(peer, up));
  return links;
}

test("whoever was told that a link broke is told when it stands again, also when one of both was cut off meanwhile", async () => {
  for (const cutOff of ["a", "b"]) {
    const hub = createLocalHub();
    const links = watched(hub.join("a"));
    const first = hub.join("b");
    await turn();
    expect(links.get("b")).toBe(true);
    first.close();
    await turn();
    expect(links.get("b")).toBe(false);
    hub.isolate(cutOff);
    const second = hub.join("b");
    const linksOfSecond = watched(second);
    await turn();
    expect(links.get("b"), "nothing is heard while cut off").toBe(false);
    hub.heal(cutOff);
    await turn();
    await turn();
    expect(links.get("b")).toBe(true);
    expect(linksOfSecond.get("a")).toBe(true);
  }
});

test("a member that ends while it is cut off is not there when it is let in", async () => {
  const hub = createLocalHub();
  const links = watched(hub.join("a"));
  const b = hub.join("b");
  await turn();
  links.clear();
  hub.isolate("b");
  b.close();
  hub.heal("b");
  await turn();
  expect(links.get("b")).toBeUndefined();
});
