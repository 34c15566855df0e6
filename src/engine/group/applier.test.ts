import { expect, test } from "vitest";
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromLatin1, concatBytes } from "../../runtime/bytes.ts";
import { Applier } from "./applier.ts";
import { encodeBatch, sealEntry } from "./batch.ts";
import type { SnapshotCut, StateMachine } from "./state-machine.ts";
import { CutEnded } from "./state-machine.ts";
import { TestClock } from "./write-ahead-log/crash-disk.testing.ts";

/** Its state is a text; a command is a text that is added. */
function applierOf(onApply: (command: string) => void = () => undefined): Applier<string, string> {
  let state = "";
  const machine: StateMachine<string, string> = {
    decode: (bytes) => bytes.toString("latin1"),
    apply: (command) => {
      onApply(command);
      return (state += command);
    },
    snapshot: () => {
      let left: string | undefined = state;
      return {
        next: () => {
          const part = left === undefined || left === "" ? undefined : bytesFromLatin1(left);
          left = undefined;
          return part;
        },
        close: () => undefined,
      };
    },
    restore: (chunks) => (state = concatBytes([...chunks]).toString("latin1")),
    digest: () => state.length,
    upkeep: () => undefined,
  };
  const submission = { applied: () => undefined, registered: () => undefined, restored: () => undefined };
  const events = { gap: () => undefined, compared: () => undefined };
  return new Applier({
    self: "n1",
    machine,
    submission,
    events,
    clock: new TestClock(),
    forgetSessionsInSnapshot: false,
  });
}

function apply(applier: Applier<string, string>, ...commands: string[]): void {
  const index = applier.appliedIndex + 1;
  const batches = commands.map((command) => {
    const body = concatBytes([Uint8Array.of(command.length, 0, 0, 0), bytesFromLatin1(command)]);
    return encodeBatch({ kind: "upkeep", node: "n1", session: 0, abandonedFrom: 0, seq: 0, body });
  });
  applier.run(index, () => ({ index, term: 1, kind: "command", payload: sealEntry(index, batches) }));
}

function contentOf(cut: SnapshotCut): Bytes[] {
  const chunks: Bytes[] = [];
  for (let chunk = cut.next(100); chunk !== undefined; chunk = cut.next(100)) chunks.push(chunk);
  return chunks;
}

test("a cut is the state after whole entries, and ends when the state is replaced", () => {
  const applier = applierOf();
  apply(applier, "a", "b");
  const whole = contentOf(applier.snapshot());
  expect(whole.at(-1)?.toString("latin1")).toBe("ab");
  const cut = applier.snapshot();
  cut.next(100);
  apply(applier, "c");
  applier.restore(9, whole);
  expect(() => cut.next(100)).toThrow(CutEnded);
  cut.close();
  expect(contentOf(applier.snapshot())).toHaveLength(2);
});

test("nobody gets a cut in the middle of an entry", () => {
  const asked: string[] = [];
  const applier = applierOf((command) => {
    expect(() => applier.snapshot()).toThrow("in the middle of an entry");
    asked.push(command);
  });
  apply(applier, "a", "b");
  expect(asked).toEqual(["a", "b"]);
});
