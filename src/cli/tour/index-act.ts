/**
 * An index kept in the store: every word's documents with their counts in a sorted set, every document's size in a hash,
 * written in pipelines by several clients. Setting a member's score twice changes nothing, so a lost answer is simply
 * asked for again.
 */
import type { Act, Finding, Stage } from "./act.ts";
import type { Client, Connection } from "./connection.ts";
import { pipeline } from "./connection.ts";
import type { Document } from "./documents.ts";
import { formatBytes, formatCount } from "../style.ts";

const WRITERS = 4;
/** Words per pipeline. */
const BATCH = 24;
/** Words whose sets are read back per pipeline. */
const READ_BATCH = 256;

const wordKey = (word: string): string => `index:${word}`;
const SIZES_KEY = "documents";

export function indexAct(stage: Stage): Act {
  const { documents } = stage.library;
  const queue = [...documents];
  /** The client's own record: word to documents to count, acknowledged writes only. */
  const acknowledged = new Map<string, Map<string, number>>();
  const sizes = new Map<string, number>();
  let postings = 0;
  let verified = 0;
  const total = documents.reduce((sum, { words }) => sum + words.size, 0);

  const write = async (writer: string, connection: Connection, document: Document): Promise<void> => {
    const words = [...document.words];
    for (let at = 0; at < words.length; at += BATCH) {
      const batch = words.slice(at, at + BATCH);
      await connection.untilDone((client) =>
        pipeline(
          batch.map(([word, count]) => client.zAdd(wordKey(word), { score: count, value: document.name })),
        ),
      );
      for (const [word, count] of batch) remember(acknowledged, word, document.name, count);
      postings += batch.length;
      stage.acknowledged(writer);
    }
    await connection.untilDone((client) => client.hSet(SIZES_KEY, document.name, document.bytes));
    sizes.set(document.name, document.bytes);
    stage.acknowledged(writer);
  };

  const work = async (number: number): Promise<void> => {
    const connection = stage.connect(number);
    for (let document = queue.shift(); document; document = queue.shift()) {
      await write(`index ${number}`, connection, document);
    }
  };

  return {
    title: "index",
    async run() {
      await Promise.all(Array.from({ length: WRITERS }, (_, number) => work(number)));
    },
    progress: () => ({
      text: `${formatCount(postings)} of ${formatCount(total)} postings, ${sizes.size} of ${documents.length} documents`,
      fraction: postings / total,
    }),
    async verify(connection) {
      const complaints = await compareWords(connection, acknowledged);
      const stored = await connection.untilDone((client) => client.hGetAll(SIZES_KEY));
      for (const [name, bytes] of sizes) {
        if (stored[name] !== String(bytes))
          complaints.push(`size of ${name} is ${stored[name] ?? "lost"}, not ${bytes}`);
      }
      verified = postings;
      return complaints;
    },
    findings(complaints): readonly Finding[] {
      const words = formatCount(acknowledged.size);
      return [
        {
          kind: "done",
          text: `index: ${sizes.size} documents (${formatBytes(stage.library.bytes)}), ${formatCount(postings)} postings under ${words} words`,
          ok: true,
        },
        {
          kind: "verified",
          text:
            complaints.length === 0
              ? `all ${formatCount(verified + sizes.size)} acknowledged index writes are there, on every node`
              : `index: ${complaints.length} differences, first: ${complaints[0] ?? ""}`,
          ok: complaints.length === 0,
        },
      ];
    },
  };
}

function remember(
  index: Map<string, Map<string, number>>,
  word: string,
  document: string,
  count: number,
): void {
  const entry = index.get(word) ?? new Map<string, number>();
  entry.set(document, count);
  index.set(word, entry);
}

/** Every word's set must be exactly what was acknowledged: nothing lost, nothing invented. */
async function compareWords(
  connection: Connection,
  index: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Promise<string[]> {
  const complaints: string[] = [];
  const words = [...index];
  for (let at = 0; at < words.length; at += READ_BATCH) {
    const batch = words.slice(at, at + READ_BATCH);
    const sets = await connection.untilDone((client: Client) =>
      pipeline(batch.map(([word]) => client.zRangeWithScores(wordKey(word), 0, -1))),
    );
    batch.forEach(([word, expected], position) => {
      const stored = new Map((sets[position] ?? []).map(({ value, score }) => [value, score]));
      for (const [document, count] of expected) {
        if (stored.get(document) !== count) complaints.push(`"${word}" lost its posting in ${document}`);
      }
      if (stored.size > expected.size)
        complaints.push(`"${word}" has ${stored.size - expected.size} postings too many`);
    });
  }
  return complaints;
}
