import fc from "fast-check";
import { expect, test } from "vitest";
import type { SnapshotMeta } from "../../consensus/consensus.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import { decodeSnapshotMeta, encodeSnapshotMeta } from "./snapshot-meta.ts";

const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const ids = fc.uniqueArray(id, { maxLength: 5 });
const texts = (minKeys: number) =>
  fc.dictionary(id, fc.string(), { noNullPrototype: true, minKeys, maxKeys: 5 });
const number = fc.nat(2 ** 31);

test("a snapshot's name is read back as it was written, with which life of a name its members mean", () => {
  const plain = fc.record({ voters: ids, outgoing: ids, learners: ids, addresses: texts(0) });
  const named = fc.tuple(plain, texts(1)).map(([given, identities]) => ({ ...given, identities }));
  const membership = fc.oneof(plain, named);
  fc.assert(
    fc.property(
      fc.record({ index: number, term: number, sizeBytes: number, membership }),
      (meta: SnapshotMeta) => {
        expect(decodeSnapshotMeta(encodeSnapshotMeta(meta))).toEqual(meta);
      },
    ),
  );
});

test("a name from before members had identities is read, and is written the same", () => {
  const writer = new ByteWriter();
  writer.uint53(9).uint53(2).uint53(100).uint32(1).text("n1").uint32(0).uint32(0);
  const old = writer.uint32(1).text("n1").text("host:1").take();
  const meta = decodeSnapshotMeta(old);
  expect(meta.membership).toEqual({
    voters: ["n1"],
    outgoing: [],
    learners: [],
    addresses: { n1: "host:1" },
  });
  expect(encodeSnapshotMeta(meta)).toEqual(old);
});

test("bytes after the end are refused with PROTOCOL", () => {
  const membership = { voters: ["n1"], outgoing: [], learners: [], addresses: {}, identities: { n1: "0a" } };
  const bytes = encodeSnapshotMeta({ index: 1, term: 1, sizeBytes: 0, membership });
  const longer = new ByteWriter().raw(bytes).uint8(0).take();
  expect(() => decodeSnapshotMeta(longer)).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
});
