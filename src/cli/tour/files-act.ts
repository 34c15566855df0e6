/**
 * The input as files: every document under its own name, small ones in the namespace and larger ones as blocks, and all of them
 * in one large file of several blocks, whose writer goes on while nodes are killed under it. A whole file that is written
 * twice is the same file, so a lost answer is simply asked for again.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Files } from "../../client/files/files.ts";
import { formatBytes, formatCount } from "../style.ts";
import type { Act, Finding, Stage } from "./act.ts";
import type { Document } from "./documents.ts";
import { untilStored } from "./retry.ts";

const DOCUMENTS = "/tour/documents";
const WHOLE = "/tour/everything.txt";
const WRITERS = 2;
const BLOCK_BYTES = 1 << 20;
/** Files that are read back at a time. */
const READERS = 4;
/** So that the last word of a document is not one with the first of the next. */
const BETWEEN = Buffer.from("\n");

interface Stored {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export function filesAct(stage: Stage): Act {
  const { documents } = stage.library;
  const queue = [...documents];
  const stored: Stored[] = [];
  let bytes = 0;
  let wholeBytes = 0;
  let again = 0;
  const total = 2 * stage.library.bytes;

  const untilDone = <T>(operation: () => Promise<T>): Promise<T> =>
    untilStored(stage.signal, operation, () => again++);

  const store = async (files: Files, document: Document): Promise<void> => {
    const content = await readFile(document.path);
    const path = `${DOCUMENTS}/${document.name}`;
    await untilDone(() => files.writeFile(path, content, { blockSize: BLOCK_BYTES, signal: stage.signal }));
    stored.push({ path, bytes: content.length, sha256: sha256(content) });
    bytes += content.length;
    stage.acknowledged();
  };

  const work = async (number: number): Promise<void> => {
    const files = stage.files(number);
    for (let document = queue.shift(); document; document = queue.shift()) await store(files, document);
  };

  /** All documents as one stream; the writer's node may die, and then it begins anew. */
  const storeWhole = async (): Promise<void> => {
    const files = stage.files(WRITERS);
    let hash = createHash("sha256");
    let length = 0;
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      hash = createHash("sha256");
      length = 0;
      for (const { path } of documents) {
        const piece = Buffer.concat([await readFile(path), BETWEEN]);
        hash.update(piece);
        length += piece.length;
        wholeBytes = Math.max(wholeBytes, length);
        yield piece;
      }
    };
    await untilDone(() => files.writeFile(WHOLE, pieces(), { blockSize: BLOCK_BYTES, signal: stage.signal }));
    stored.push({ path: WHOLE, bytes: length, sha256: hash.digest("hex") });
    stage.whole.reach(WHOLE);
    stage.acknowledged();
  };

  return {
    title: "files",
    async run() {
      await Promise.all([storeWhole(), ...Array.from({ length: WRITERS }, (_, number) => work(number))]);
    },
    progress: () => ({
      text: `${formatCount(stored.length)} of ${formatCount(documents.length + 1)} files, ${formatBytes(bytes + wholeBytes)}`,
      fraction: Math.min(1, (bytes + wholeBytes) / total),
    }),
    async verify(_, node) {
      const files = stage.files(node, "alone");
      const left = [...stored];
      const complaints: string[] = [];
      const check = async (): Promise<void> => {
        for (let file = left.shift(); file; file = left.shift()) {
          const { path, sha256: wanted } = file;
          const content = await untilDone(() => files.readFile(path, { signal: stage.signal })).catch(
            (error: unknown) => String(error),
          );
          if (typeof content === "string") complaints.push(`${path}: ${content}`);
          else if (sha256(content) !== wanted)
            complaints.push(`${path} does not read back as it was written`);
        }
      };
      await Promise.all(Array.from({ length: READERS }, check));
      return complaints;
    },
    findings(complaints): readonly Finding[] {
      const size = formatBytes(stored.reduce((sum, file) => sum + file.bytes, 0));
      return [
        {
          kind: "done",
          text: `files: ${formatCount(stored.length)} files (${size}), each on three nodes; ${formatCount(again)} writes and reads tried again`,
          ok: true,
        },
        {
          kind: "verified",
          text:
            complaints.length === 0
              ? `all ${formatCount(stored.length)} files read back byte for byte, from every node`
              : `files: ${complaints.length} differences, first: ${complaints[0] ?? ""}`,
          ok: complaints.length === 0,
        },
      ];
    },
  };
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
