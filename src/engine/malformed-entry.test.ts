/** The log holds what it holds: bytes in it that are no command must not end the replicas that read them. */
import { expect, test } from "vitest";
import type { Entry } from "../consensus/consensus.ts";
import type { Bytes } from "../runtime/bytes.ts";
import { bytesFromLatin1, concatBytes, zeroBytes } from "../runtime/bytes.ts";
import { ByteWriter } from "../wire/byte-writer.ts";
import { encodeRequest } from "../wire/resp/request-encoder.ts";
import { Applier } from "./group/applier.ts";
import { encodeBatch, sealEntry } from "./group/batch.ts";
import { encodeCall } from "./keyspace/command-codec.ts";
import { DATA_COMMANDS } from "./keyspace/commands/index.ts";
import type { KeyspaceCommand } from "./keyspace/keyspace-command.ts";
import type { KeyspaceMachine } from "./keyspace/machine.ts";
import { createKeyspace } from "./keyspace/machine.ts";
import type { Reply } from "./keyspace/reply.ts";

const HEADER = bytesFromLatin1("\x01\0\0\0\0");
/** As a lax parser once let them in: two other bytes behind the value, no LF behind a length; and half a command. */
const MALFORMED = [
  "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nbXX",
  "*3\r\n$3\rXSET\r\n$1\r\na\r\n$1\r\nb\r\n",
  "*3\r\n$3",
].map((resp) => concatBytes([HEADER, bytesFromLatin1(resp)]));

function replica(complaints: string[]): {
  readonly machine: KeyspaceMachine;
  readonly applier: Applier<KeyspaceCommand, Reply>;
} {
  const complain = (problem: string): void => void complaints.push(problem);
  const machine = createKeyspace({ commands: DATA_COMMANDS, complain });
  const applier = new Applier<KeyspaceCommand, Reply>({
    self: "n1",
    machine,
    submission: { applied: () => undefined, registered: () => undefined, restored: () => undefined },
    events: { gap: () => undefined, compared: () => undefined },
    clock: { monotonicMs: () => 0 } as never,
    forgetSessionsInSnapshot: false,
  });
  return { machine, applier };
}

function entry(index: number, commands: readonly Bytes[]): Entry {
  const body = new ByteWriter();
  for (const command of commands) body.bytes(command);
  const batch = { kind: "upkeep", node: "n2", session: 0, abandonedFrom: 0, seq: 0 } as const;
  const payload = sealEntry(1000 + index, [encodeBatch({ ...batch, body: body.take() })]);
  return { index, term: 1, kind: "command", payload };
}

function set(key: string): Bytes {
  return encodeCall(0, encodeRequest(["SET", key, "1"]));
}

test("malformed bytes in the log change nothing, what is around them is applied, and all replicas agree", () => {
  const entries = [
    entry(1, [set("before")]),
    entry(2, [set("a"), ...MALFORMED, set("b")]),
    entry(3, [set("after")]),
  ];
  const complaints: string[] = [];
  const whole = replica(complaints);
  whole.applier.run(3, (index) => entries[index - 1]);
  expect(whole.applier.appliedIndex).toBe(3);
  expect(complaints).toEqual(MALFORMED.map(() => expect.stringMatching(/^malformed keyspace command: /)));
  const keys = whole.machine.query({ type: "call", database: 0, args: ["KEYS", "*"] }, 2000) as string[];
  expect(keys.toSorted()).toEqual(["a", "after", "b", "before"]);

  // One that comes from a snapshot and reads only the rest agrees.
  const early = replica([]);
  early.applier.run(1, (index) => entries[index - 1]);
  const cut = early.applier.snapshot();
  const chunks: Bytes[] = [];
  for (let chunk = cut.next(1 << 16); chunk !== undefined; chunk = cut.next(1 << 16)) chunks.push(chunk);
  cut.close();
  const late = replica([]);
  late.applier.restore(1, chunks);
  late.applier.run(3, (index) => entries[index - 1]);
  expect(late.machine.digest()).toBe(whole.machine.digest());
});

test("a malformed command is answered with an error, by whichever node applies it", () => {
  const { machine } = replica([]);
  const reply = machine.apply(machine.decode(MALFORMED[0]!), { index: 1, position: 0, timeMs: 1, seed: 1 });
  expect(reply).toMatchObject({ message: "ERR malformed keyspace command: bulk string end" });
});

test("a command that only a newer version knows ends the node, because others would carry it out", () => {
  const { applier } = replica([]);
  const kind = zeroBytes(5);
  kind[0] = 99;
  expect(() => applier.run(1, () => entry(1, [kind]))).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED" }),
  );
});
