import { expect, test } from "vitest";
import { FailureDetector } from "./failure-detector.ts";
import { Progress } from "./progress.ts";

function peerAt(nextIndex: number): Progress {
  return new Progress("n2", nextIndex, new FailureDetector(50, 250, 2000, 0));
}

function replicating(matchIndex: number): Progress {
  const peer = peerAt(matchIndex + 1);
  peer.acknowledge(matchIndex);
  return peer;
}

test("a new peer is probed with one append at a time, and replicated to once it agrees", () => {
  const peer = peerAt(11);
  expect(peer.hasRoom(3)).toBe(true);
  peer.sent(11, 12, 100, 0, 0);
  expect([peer.state, peer.hasRoom(3), peer.nextIndex]).toEqual(["probe", false, 11]);
  peer.acknowledge(12);
  expect([peer.state, peer.hasRoom(3), peer.nextIndex]).toEqual(["replicate", true, 13]);
});

test("appends follow each other up to the window, and an answer frees all that it covers", () => {
  const peer = replicating(10);
  for (const last of [11, 12, 13]) peer.sent(last - 1, last, 100, 0, 0);
  expect([peer.hasRoom(3), peer.nextIndex, peer.view(0).inflightBytes]).toEqual([false, 14, 300]);
  peer.acknowledge(12);
  expect([peer.hasRoom(3), peer.nextIndex, peer.view(0).inflightBytes]).toEqual([true, 14, 100]);
});

test("a refusal moves the probe back, at most to what the peer surely has", () => {
  const peer = replicating(10);
  for (const last of [11, 12]) peer.sent(last - 1, last, 1, 0, 0);
  peer.reject(11, 3, false);
  expect([peer.state, peer.nextIndex, peer.hasRoom(3)]).toEqual(["probe", 11, true]);
});

test("a refusal that is old changes nothing", () => {
  const peer = replicating(10);
  peer.reject(9, 3, false);
  expect([peer.state, peer.nextIndex]).toEqual(["replicate", 11]);
  const probing = peerAt(20);
  probing.reject(12, 3, false);
  expect(probing.nextIndex).toBe(20);
});

test("an append is lost when it was not received for long; not while it waits for the peer's disk", () => {
  const peer = replicating(10);
  peer.sent(10, 11, 1, 0, 1000);
  expect(peer.isLost(10, 1, 125, 1100)).toBe(false);
  expect(peer.isLost(10, 1, 125, 1125)).toBe(true);
  // A heartbeat that left before it says nothing about it.
  expect(peer.isLost(10, 0, 125, 9000)).toBe(false);
  expect(peer.isLost(11, 1, 125, 9000)).toBe(false);
});

test("an acknowledged snapshot ends the transfer, and the log goes on behind it", () => {
  const membership = { voters: [], outgoing: [], learners: [], addresses: {} };
  const peer = peerAt(5);
  peer.startSnapshot({ index: 20, term: 2, membership, sizeBytes: 9 }, 0);
  peer.acknowledge(20);
  expect([peer.state, peer.sending, peer.nextIndex]).toEqual(["replicate", undefined, 21]);
});

test("a peer that lost what it acknowledged is believed, but only in answer to an append that is on its way", () => {
  const peer = new Progress("n2", 11, new FailureDetector(50, 250, 2000, 0));
  peer.acknowledge(10);
  peer.sent(10, 11, 1, 0, 0);
  peer.reject(10, 3, false);
  expect(peer).toMatchObject({ matchIndex: 10, nextIndex: 12, state: "replicate" });
  peer.reject(10, 3, true);
  expect(peer).toMatchObject({ matchIndex: 0, nextIndex: 4, state: "probe" });
  peer.sent(3, 11, 1, 0, 0);
  peer.acknowledge(11);
  peer.reject(10, 3, true);
  expect(peer).toMatchObject({ matchIndex: 11, nextIndex: 12, state: "replicate" });
});

test("of large appends only one is on its way, because each fills the link", () => {
  const peer = replicating(10);
  peer.sent(10, 11, 3 << 20, 0, 0);
  expect(peer.hasRoom(3)).toBe(false);
  peer.acknowledge(11);
  peer.sent(11, 12, 1 << 20, 0, 0);
  peer.sent(12, 13, 1 << 20, 0, 0);
  expect(peer.hasRoom(3)).toBe(true);
});
