/**
 * A cache in front of the files, with expiry: get, on a miss read the file and set it with a time to live. Checked as it
 * goes: a hit is the file's content, nothing vanishes before its time, and what expired does not come back by itself.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Act, Finding, Stage } from "./act.ts";
import { pause, pipeline } from "./connection.ts";
import type { Connection } from "./connection.ts";
import type { Document } from "./documents.ts";
import { formatCount } from "../style.ts";

const READERS = 3;
const TTL_MS = 1500;
/** Clocks of client and server tick apart by rounding; less than this early is not early. */
const EARLY_TOLERANCE_MS = 20;
const VALUE_MAX_BYTES = 8 * 1024;
const PAUSE_MS = 2;
/** After the last write, how long the last entry may take to disappear. */
const EXPIRY_DEADLINE_MS = 10_000;

const cacheKey = (name: string): string => `cache:${name}`;

/** What the only reader of an entry knows of it. */
interface Entry {
  readonly document: Document;
  readonly digest: string;
  /** When the last acknowledged SET was sent: it may not expire before this plus the time to live. */
  setSentMs: number | undefined;
}

export function cacheAct(stage: Stage): Act {
  const counts = { hits: 0, misses: 0, expired: 0 };
  const complaints: string[] = [];
  let gone = 0;

  const look = async (connection: Connection, other: Connection, entry: Entry): Promise<void> => {
    const key = cacheKey(entry.document.name);
    const value = await connection.untilDone((client) => client.get(key));
    const seenMs = performance.now();
    if (value !== null) {
      counts.hits++;
      checkHit(entry, value, complaints);
      return;
    }
    counts.misses++;
    checkMiss(entry, seenMs, counts, complaints);
    // What one node said is gone must not be there for another: nobody else sets this entry.
    if ((await other.untilDone((client) => client.exists(key))) > 0) {
      complaints.push(`${entry.document.name} came back after it had expired`);
    }
    const content = contentOf(entry.document);
    const sentMs = performance.now();
    await connection.untilDone((client) =>
      client.set(key, content, { expiration: { type: "PX", value: TTL_MS } }),
    );
    entry.setSentMs = sentMs;
    stage.acknowledged();
  };

  const work = async (number: number): Promise<void> => {
    const connection = stage.connect(number);
    const other = stage.connect(number + 1);
    const own = stage.library.documents.filter((_, at) => at % READERS === number).map(newEntry);
    for (let turn = 0; own.length > 0 && !(stage.mayEnd() && turn >= own.length); turn++) {
      const entry = own[popular(turn, own.length)];
      if (entry) await look(connection, other, entry);
      await pause(PAUSE_MS, stage.signal);
    }
  };

  return {
    title: "cache",
    async run() {
      await Promise.all(Array.from({ length: READERS }, (_, number) => work(number)));
    },
    progress: () => ({
      text: `${formatCount(counts.hits)} hits, ${formatCount(counts.misses)} misses, ${formatCount(counts.expired)} expired`,
    }),
    async verify(connection) {
      const keys = stage.library.documents.map(({ name }) => cacheKey(name));
      const left = await untilNoneIsLeft(connection, keys, stage.signal);
      gone = keys.length - left;
      return left === 0
        ? []
        : [`${left} entries outlived their time to live by ${EXPIRY_DEADLINE_MS / 1000} s`];
    },
    findings(late): readonly Finding[] {
      const all = [...complaints, ...late];
      const { hits, misses, expired } = counts;
      return [
        {
          kind: "done",
          text: `cache: ${formatCount(hits)} hits, ${formatCount(misses)} misses, ${formatCount(expired)} expiries after ${TTL_MS} ms`,
          ok: true,
        },
        {
          kind: "verified",
          text:
            all.length === 0
              ? `every hit was the file's content, nothing expired early or came back, all ${formatCount(gone)} entries are gone`
              : `cache: ${all.length} faults, first: ${all[0] ?? ""}`,
          ok: all.length === 0,
        },
      ];
    },
  };
}

function newEntry(document: Document): Entry {
  const digest = digestOf(contentOf(document));
  return { document, digest, setSentMs: undefined };
}

function checkHit(entry: Entry, value: string, complaints: string[]): void {
  const { name } = entry.document;
  if (digestOf(value) !== entry.digest) complaints.push(`${name} was cached with another content`);
}

function checkMiss(entry: Entry, seenMs: number, counts: { expired: number }, complaints: string[]): void {
  if (entry.setSentMs === undefined) return;
  const ageMs = seenMs - entry.setSentMs;
  if (ageMs < TTL_MS - EARLY_TOLERANCE_MS) {
    complaints.push(`${entry.document.name} expired after ${Math.round(ageMs)} ms, before its ${TTL_MS} ms`);
  }
  counts.expired++;
}

/** Some entries are asked for again and again, the others now and then: about as caches are used. */
function popular(turn: number, length: number): number {
  return turn % 3 === 0 ? Math.floor(turn / 3) % length : (turn * 7) % Math.min(length, 8);
}

function contentOf(document: Document): string {
  return readFileSync(document.path).subarray(0, VALUE_MAX_BYTES).toString("utf8");
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function untilNoneIsLeft(
  connection: Connection,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const deadline = performance.now() + TTL_MS + EXPIRY_DEADLINE_MS;
  for (;;) {
    const found = await connection.untilDone((client) => pipeline(keys.map((key) => client.exists(key))));
    const left = found.reduce((sum, count) => sum + count, 0);
    if (left === 0 || performance.now() > deadline) return left;
    await pause(50, signal);
  }
}
