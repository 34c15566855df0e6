/** The process or the power dies between any two disk events while a replica is written, appended to, cut and recovered. */
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { Replica, ReplicaDurability, ReplicaWriter } from "./block-store.ts";
import { streamBytes, sumsBehind, TestStore } from "./block-store.testing.ts";

/** The replica after a step that was acknowledged; undefined: there is none. */
type State = { readonly stamp: number; readonly finished: boolean; readonly content: Bytes } | undefined;

interface Life {
  readonly test: TestStore;
  /** What each label of an acknowledgement stands for; 0 is the beginning. */
  readonly states: readonly State[];
}

const ID = 7;

/** `together`: so many writes are under way at once. */
function live(durability: ReplicaDurability, together: number): Life {
  const test = new TestStore();
  const { store } = test;
  const states: State[] = [undefined];
  let content: Bytes = NO_BYTES;
  let stamp = 1;
  const reach = (finished: boolean): number => states.push({ stamp, finished, content }) - 1;
  const write = (writer: ReplicaWriter, seed: number, sizes: readonly number[]): void => {
    sizes.forEach((size, at) => {
      const bytes = streamBytes(seed, content.length, size);
      writer.write(bytes, sumsBehind(content, bytes), (error) => expect(error).toBeUndefined());
      content = Buffer.concat([content, bytes]);
      const label = reach(false);
      writer.sync((error) => {
        expect(error).toBeUndefined();
        test.disk.mark(label);
      });
      if (at % together === together - 1) test.clock.run(test.disk);
    });
    test.clock.run(test.disk);
  };
  const finish = (writer: ReplicaWriter): void => {
    const label = reach(true);
    writer.finish(() => test.disk.mark(label));
    test.clock.run(test.disk);
  };

  const first = test.call<ReplicaWriter>((done) => store.create(ID, stamp, durability, done));
  write(first, 1, [100, 200, 212, 700, 1, 1536, 99]);
  // The pipeline is built again from less than what is here, and other bytes may follow.
  content = content.subarray(0, 1100);
  stamp = 3;
  const cut = reach(false);
  const second = test.call<ReplicaWriter>((done) =>
    store.reopen(ID, stamp, 1100, durability, (error, writer) => {
      test.disk.mark(cut);
      done(error, writer);
    }),
  );
  write(second, 2, [50, 900, 13]);
  finish(second);
  // An append, and then its writer dies: recovery at a shorter length.
  stamp = 4;
  const appended = reach(false);
  const third = test.call<ReplicaWriter>((done) =>
    store.reopen(ID, stamp, content.length, durability, (error, writer) => {
      test.disk.mark(appended);
      done(error, writer);
    }),
  );
  write(third, 3, [400, 77, 1000]);
  test.call<Replica>((done) => store.beginRecovery(ID, 9, done));
  content = content.subarray(0, content.length - 1013);
  stamp = 9;
  const recovered = reach(true);
  test.call<Replica>((done) =>
    store.finishRecovery(ID, 9, content.length, undefined, (error, replica) => {
      test.disk.mark(recovered);
      done(error, replica);
    }),
  );
  return { test, states };
}

function isState(found: TestStore, state: State): boolean {
  const replica = found.store.get(ID);
  if (replica === undefined || state === undefined) return replica === undefined && state === undefined;
  if (replica.stamp !== state.stamp || replica.length !== state.content.length) return false;
  if (replica.state === "corrupt" || (replica.state === "finished") !== state.finished) return false;
  return found.bytesOf(ID).equals(state.content);
}

function sweep(power: boolean, durability: ReplicaDurability, together: number, images: number): number {
  const { test, states } = live(durability, together);
  const random = seededRandom(23);
  let crashes = 0;
  for (let point = 0; point <= test.disk.events.length; point++) {
    const marks = test.disk.events
      .slice(0, point)
      .flatMap((event) => (event.at === "mark" ? [event.label] : []));
    const acknowledged = Math.max(0, ...marks);
    for (let image = 0; image < images; image++) {
      const bias = image === 0 ? 0 : image === 1 ? 1 : random.float();
      const found = new TestStore(test.disk.crashed(point, power, random, bias));
      crashes++;
      const replica = found.store.get(ID);
      const isEmpty = acknowledged === 0 && replica?.length === 0;
      const reached = states.slice(acknowledged).some((state) => isState(found, state));
      if (!isEmpty && !reached) {
        throw new Error(`event ${point}, image ${image}: ${JSON.stringify(replica)} after ${acknowledged}`);
      }
      if (image < 2) goOn(found, random);
    }
  }
  return crashes;
}

/** What the crash left can be written on, crashes again, and holds what was acknowledged in both lives. */
function goOn(found: TestStore, random: ReturnType<typeof seededRandom>): void {
  const replica = found.store.get(ID);
  if (replica === undefined) return;
  const before = found.bytesOf(ID);
  const writer = found.call<ReplicaWriter>((done) =>
    found.store.reopen(ID, replica.stamp + 10, replica.length, "disk", done),
  );
  const more = streamBytes(5, 0, 777);
  found.call((done) => writer.write(more, sumsBehind(before, more), done));
  found.call((done) => writer.sync(done));
  const lost = streamBytes(6, 0, 300);
  writer.write(lost, sumsBehind(Buffer.concat([before, more]), lost), () => undefined);
  writer.sync(() => undefined);
  const again = new TestStore(found.disk.crashed(found.disk.events.length, true, random, random.float()));
  const content = again.bytesOf(ID);
  expect(content.subarray(0, before.length + more.length)).toEqual(Buffer.concat([before, more]));
}

test("whenever the process dies, a replica is as it was at an acknowledgement, and writing goes on", () => {
  expect(sweep(false, "disk", 1, 4)).toBeGreaterThan(300);
  expect(sweep(false, "disk", 3, 4)).toBeGreaterThan(300);
});

test("whenever the power fails, nothing that was acknowledged is lost, and no byte is another", () => {
  expect(sweep(true, "disk", 1, 10)).toBeGreaterThan(1000);
  expect(sweep(true, "disk", 3, 10)).toBeGreaterThan(1000);
});

test("in the weaker mode a dying process still loses nothing", () => {
  expect(sweep(false, "memory", 1, 4)).toBeGreaterThan(200);
});

test("in the weaker mode a power failure leaves no byte that is another", () => {
  const { test: life, states } = live("memory", 2);
  const random = seededRandom(29);
  let damaged = 0;
  for (let point = 0; point <= life.disk.events.length; point++) {
    for (let image = 0; image < 6; image++) {
      const found = new TestStore(life.disk.crashed(point, true, random, random.float()));
      const replica = found.store.get(ID);
      if (replica === undefined || replica.state === "corrupt") continue;
      let content: Uint8Array;
      try {
        content = found.bytesOf(ID);
      } catch (error) {
        // A finished one is taken at its word, and what the disk lost of it is found where it is read.
        expect(error).toMatchObject({ code: "CHECKSUM_MISMATCH" });
        expect(found.store.get(ID)?.state).toBe("corrupt");
        damaged++;
        continue;
      }
      const isPrefix = states.some((state) => state?.content.subarray(0, content.length).equals(content));
      expect(isPrefix || content.length === 0, `event ${point}, image ${image}`).toBe(true);
    }
  }
  expect(damaged).toBeGreaterThan(0);
});
