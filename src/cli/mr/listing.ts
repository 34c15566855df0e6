/** `quorate mr ls`, `history`, `kill`, `logs`: jobs of a cluster, looked at and ended. */
import type { AttemptReport, JobState, TaskReport } from "../../mapreduce/job-api.ts";
import type { TaskKind } from "../../mapreduce/job-spec.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { paintFor } from "../style.ts";
import type { Call } from "../verb.ts";
import { Cluster, placeOf } from "./cluster.ts";
import { jobsTable } from "./job-text.ts";

const STATES: readonly JobState[] = ["running", "committing", "succeeded", "failed", "killed"];

export async function ls(call: Call): Promise<number> {
  const asked = call.text("state")?.split(",");
  const odd = asked?.find((state) => !STATES.some((known) => known === state));
  if (odd !== undefined) throw new QuorateError("USAGE", `--state takes ${STATES.join(", ")}, not "${odd}"`);
  const states = asked === undefined ? undefined : STATES.filter((state) => asked.includes(state));
  return listed(call, (cluster, limit) =>
    cluster.jobs.list({ ...(states !== undefined && { states }), ...(limit !== undefined && { limit }) }),
  );
}

export function history(call: Call): Promise<number> {
  return listed(call, (cluster, limit) => cluster.jobs.history(limit === undefined ? {} : { limit }));
}

async function listed(
  call: Call,
  ask: (cluster: Cluster, limit: number | undefined) => ReturnType<Cluster["jobs"]["list"]>,
): Promise<number> {
  return withCluster(call, async (cluster) => {
    const list = await ask(cluster, call.integer("limit", { min: 1, max: 1000 }));
    if (call.has("json")) return print(JSON.stringify(list));
    return print(
      list.jobs.length === 0 ? "no jobs" : jobsTable(list.jobs, Date.now(), paintFor(process.stdout)),
    );
  });
}

export async function kill(call: Call): Promise<number> {
  return withCluster(call, async (cluster) => {
    const summary = await cluster.jobs.kill(jobIn(call), call.text("reason"));
    return print(call.has("json") ? JSON.stringify(summary) : `${summary.id} is ${summary.state}`);
  });
}

/** Of one attempt, or of those that failed, or all. */
export async function logs(call: Call): Promise<number> {
  return withCluster(call, async (cluster) => {
    const id = jobIn(call);
    const [, one] = call.positionals;
    if (one !== undefined) return print(await endOfLog(cluster, id, one));
    let shown = 0;
    for (const kind of ["map", "reduce"] as const)
      for await (const task of cluster.jobs.tasks(id, kind))
        shown += await showLogs(cluster, id, kind, task, call.has("all"));
    if (shown === 0) process.stderr.write(`quorate: no attempt of ${id} failed; --all shows the others\n`);
    return 0;
  });
}

/** Of a long log its end, where what went wrong is. */
const SHOWN_BYTES = 1024 * 1024;

async function endOfLog(cluster: Cluster, id: string, attempt: string): Promise<string> {
  const text = await cluster.jobs.log(id, attempt, { offset: -SHOWN_BYTES, length: SHOWN_BYTES });
  if (Buffer.byteLength(text) < SHOWN_BYTES) return text.trimEnd();
  return `(the last MiB of it)\n${text.trimEnd()}`;
}

async function showLogs(
  cluster: Cluster,
  id: string,
  _kind: TaskKind,
  task: TaskReport,
  all: boolean,
): Promise<number> {
  const wanted = task.attempts.filter(({ state }) => all || state === "failed");
  for (const attempt of wanted) {
    const text = await endOfLog(cluster, id, attempt.attempt).catch((error: unknown) =>
      error instanceof Error ? `(${error.message})` : String(error),
    );
    print(`==> ${attempt.attempt} on ${attempt.node}: ${fateOf(attempt)}\n${text}\n`);
  }
  return wanted.length;
}

function fateOf({ state, winner, reason }: AttemptReport): string {
  return `${state}${winner ? ", the winner" : ""}${reason === undefined ? "" : `, ${reason}`}`;
}

export function jobIn(call: Call): string {
  return call.positionals[0] ?? "";
}

export async function withCluster(
  call: Call,
  action: (cluster: Cluster) => Promise<number>,
): Promise<number> {
  const cluster = new Cluster(placeOf(call));
  try {
    return await action(cluster);
  } finally {
    cluster.close();
  }
}

export function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
