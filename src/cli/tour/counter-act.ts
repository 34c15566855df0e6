/**
 * A counter that several workers increase, each by reading it, adding one and writing it back, so that only a lock keeps
 * them from losing each other's work. The lock has a fencing token: a number that rises with every holder and goes with
 * every write, so that a holder who was delayed past his time is turned away.
 *
 * Each script may be sent twice with the same effect as once, which is what makes a lost answer harmless: an attempt has a
 * name, and whoever holds the lock under that name holds it still; a write under a token happens once.
 */
import type { Act, Finding, Stage } from "./act.ts";
import type { Connection } from "./connection.ts";
import { pause } from "./connection.ts";
import { formatCount } from "../style.ts";

const WORKERS = 4;
const LOCK_MS = 2000;
const RETRY_MS = 3;
const LOCK = "counter:lock";
const TOKEN = "counter:token";
const COUNTER = "counter:value";
/** Every accepted write as "token:value", in the order in which the store accepted them. */
const JOURNAL = "counter:journal";

/** KEYS lock, token; ARGV attempt, milliseconds. The token, or false while another holds the lock. */
const ACQUIRE = `
local held = redis.call('GET', KEYS[1])
if held then
  local attempt, token = string.match(held, '^(.+)#(%d+)$')
  if attempt == ARGV[1] then return tonumber(token) end
  return false
end
local token = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. '#' .. token, 'NX', 'PX', ARGV[2])
return token`;

/** KEYS counter, journal; ARGV token, value. 1 accepted (also the second time), 0 a later token has written already. */
const WRITE = `
local last = redis.call('LINDEX', KEYS[2], -1)
local entry = ARGV[1] .. ':' .. ARGV[2]
if last == entry then return 1 end
if last and tonumber(string.match(last, '^(%d+):')) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('RPUSH', KEYS[2], entry)
return 1`;

/** KEYS lock; ARGV the whole value. Releases the lock only if it is still this holder's. */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** One time a worker held the lock, by its own clock; all workers of the tour share it. */
interface Turn {
  readonly worker: number;
  readonly token: number;
  readonly askedMs: number;
  readonly value: number;
  outcome: "acknowledged" | "fenced" | "unsure";
  doneMs: number;
}

export function counterAct(stage: Stage): Act {
  const turns: Turn[] = [];
  let attempts = 0;
  let landed = 0;

  const takeTurn = async (worker: number, connection: Connection): Promise<void> => {
    const attempt = `w${worker}-${++attempts}`;
    const askedMs = performance.now();
    const token = await acquire(connection, attempt, stage.signal);
    const value = Number((await connection.untilDone((client) => client.get(COUNTER))) ?? 0) + 1;
    const turn: Turn = { worker, token, askedMs, value, outcome: "unsure", doneMs: Infinity };
    turns.push(turn);
    const unknownBefore = connection.statistics.unknown;
    const accepted = await connection.untilDone((client) =>
      client.eval(WRITE, { keys: [COUNTER, JOURNAL], arguments: [String(token), String(value)] }),
    );
    turn.doneMs = performance.now();
    // A refusal after a lost answer does not tell whether the first try was accepted before a later token came.
    const sure = Number(accepted) === 1 || connection.statistics.unknown === unknownBefore;
    turn.outcome = !sure ? "unsure" : Number(accepted) === 1 ? "acknowledged" : "fenced";
    if (turn.outcome === "acknowledged") stage.acknowledged();
    await connection.untilDone((client) =>
      client.eval(RELEASE, { keys: [LOCK], arguments: [`${attempt}#${token}`] }),
    );
  };

  const work = async (worker: number): Promise<void> => {
    const connection = stage.connect(worker);
    while (!stage.mayEnd()) await takeTurn(worker, connection);
  };

  const count = (outcome: Turn["outcome"]): number => turns.filter((turn) => turn.outcome === outcome).length;

  return {
    title: "counter",
    async run() {
      await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
    },
    progress: () => ({
      text: `${formatCount(count("acknowledged"))} increments under the lock by ${WORKERS} workers, ${count("fenced")} fenced off`,
    }),
    async verify(connection) {
      const counter = Number((await connection.untilDone((client) => client.get(COUNTER))) ?? 0);
      const journal = await connection.untilDone((client) => client.lRange(JOURNAL, 0, -1));
      const { complaints, unsureLanded } = judge(turns, journal, counter);
      landed = unsureLanded;
      return complaints;
    },
    findings(complaints): readonly Finding[] {
      const done = count("acknowledged");
      const unsure = count("unsure");
      const last = turns.reduce((highest, { token }) => Math.max(highest, token), 0);
      const unknown = unsure === 0 ? "" : `; of ${unsure} unknown outcomes ${landed} had happened`;
      return [
        {
          kind: "done",
          text: `counter: ${formatCount(done)} increments by ${WORKERS} workers under a lock${unknown}`,
          ok: true,
        },
        {
          kind: "verified",
          text:
            complaints.length === 0
              ? `the counter is ${formatCount(done + landed)}, no increment lost or doubled, tokens rose to ${formatCount(last)} in order`
              : `counter: ${complaints.length} faults, first: ${complaints[0] ?? ""}`,
          ok: complaints.length === 0,
        },
      ];
    },
  };
}

async function acquire(connection: Connection, attempt: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    const token = await connection.untilDone((client) =>
      client.eval(ACQUIRE, { keys: [LOCK, TOKEN], arguments: [attempt, String(LOCK_MS)] }),
    );
    if (token !== null) return Number(token);
    await pause(RETRY_MS, signal);
  }
}

/** Compares the workers' own records with the store's journal and counter. */
export function judge(
  turns: readonly Turn[],
  journal: readonly string[],
  counter: number,
): { readonly complaints: string[]; readonly unsureLanded: number } {
  const complaints: string[] = [];
  const entries = journal.map((entry) => entry.split(":").map(Number));
  const written = new Set(journal);
  entries.forEach(([token = 0, value = 0], at) => {
    if (value !== at + 1) complaints.push(`write ${at + 1} was ${value}: an increment was lost or doubled`);
    const before = entries[at - 1]?.[0] ?? 0;
    if (token <= before) complaints.push(`token ${token} wrote after token ${before}`);
  });
  if (counter !== journal.length) complaints.push(`the counter is ${counter} after ${journal.length} writes`);
  let unsureLanded = 0;
  for (const { token, value, outcome } of turns) {
    const landed = written.has(`${token}:${value}`);
    if (outcome === "acknowledged" && !landed) complaints.push(`acknowledged increment to ${value} is lost`);
    if (outcome === "fenced" && landed)
      complaints.push(`increment to ${value} was refused and still happened`);
    if (outcome === "unsure" && landed) unsureLanded++;
  }
  complaints.push(...tokensInRealTime(turns));
  return { complaints, unsureLanded };
}

/** Who asked for the lock after another's write was acknowledged must have got a later token: by the workers' own clock. */
function tokensInRealTime(turns: readonly Turn[]): readonly string[] {
  const complaints: string[] = [];
  const byEnd = turns.filter(({ outcome }) => outcome === "acknowledged").sort((a, b) => a.doneMs - b.doneMs);
  const byStart = [...turns].sort((a, b) => a.askedMs - b.askedMs);
  let ended = 0;
  let highest = 0;
  for (const turn of byStart) {
    for (let next = byEnd[ended]; next && next.doneMs < turn.askedMs; next = byEnd[++ended]) {
      highest = Math.max(highest, next.token);
    }
    if (turn.token <= highest)
      complaints.push(`token ${turn.token} was given after token ${highest} had finished`);
  }
  return complaints;
}
