import { expect, test } from "vitest";
import { NO_BYTES } from "../../runtime/bytes.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { Batch } from "./batch.ts";
import { encodeRegistration } from "./batch.ts";
import { SessionTable } from "./session-table.ts";

function registration(nonce: number, directory = "aa"): Batch {
  const body = encodeRegistration({ nonce, directory });
  return { kind: "register", node: "n1", session: 0, abandonedFrom: 0, seq: 0, body };
}

function batch(session: number, seq: number, abandonedFrom = seq): Batch {
  return { kind: "commands", node: "n1", session, abandonedFrom, seq, body: NO_BYTES };
}

test("a batch is applied once, whoever sends it again", () => {
  const table = new SessionTable();
  table.register(registration(7), 10);
  expect(table.admit(batch(10, 1))).toBe("apply");
  expect(table.admit(batch(10, 1))).toBe("duplicate");
  expect(table.admit(batch(10, 2))).toBe("apply");
  expect(table.admit(batch(10, 1))).toBe("duplicate");
});

test("a batch never overtakes an earlier one of its session", () => {
  const table = new SessionTable();
  table.register(registration(7), 10);
  expect(table.admit(batch(10, 2))).toBe("gap");
  expect(table.admit(batch(10, 1))).toBe("apply");
  expect(table.admit(batch(10, 2))).toBe("apply");
});

test("numbers that were given up do not block the ones behind them, and stay given up", () => {
  const table = new SessionTable();
  table.register(registration(7), 10);
  expect(table.admit(batch(10, 4, 1))).toBe("apply");
  expect(table.admit(batch(10, 2))).toBe("duplicate");
});

test("a new process of a node ends its old session", () => {
  const table = new SessionTable();
  table.register(registration(7), 10);
  table.register(registration(7), 11); // repeated: nothing changes
  expect(table.admit(batch(10, 1))).toBe("apply");
  table.register(registration(8), 12);
  expect(table.admit(batch(10, 2))).toBe("stale");
  expect(table.admit(batch(12, 1))).toBe("apply");
});

test("a node that lost its disk cannot take its old name", () => {
  const table = new SessionTable();
  table.register(registration(7, "aa"), 10);
  table.register(registration(9, "bb"), 11);
  expect(table.get("n1")).toMatchObject({ id: 10, directory: "aa" });
});

test("a snapshot keeps the table", () => {
  const table = new SessionTable();
  table.register(registration(7), 10);
  table.admit(batch(10, 1));
  const writer = new ByteWriter();
  table.write(writer);
  const copy = new SessionTable();
  copy.read(new ByteReader(writer.take()));
  expect(copy.admit(batch(10, 1))).toBe("duplicate");
  expect(copy.admit(batch(10, 2))).toBe("apply");
});

test("a late registration of an earlier life, in the same entry, does not take over what is sent for the session", () => {
  const table = new SessionTable();
  table.register(registration(7), 10);
  table.register(registration(6), 10);
  expect(table.get("n1")).toMatchObject({ id: 10, nonce: 7 });
  table.register(registration(6), 11);
  expect(table.get("n1")).toMatchObject({ id: 11, nonce: 6 });
  expect(table.admit(batch(10, 1))).toBe("stale");
});
