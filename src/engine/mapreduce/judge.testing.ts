/** What must hold of jobs, as seen from outside: their output, their counters, and what is left of them. */
import type { Job } from "./jobs/job.ts";
import type { JobsCluster } from "./jobs-cluster.testing.ts";

/** What is wrong with a job that has ended, or undefined. */
export function judgeJob(cluster: JobsCluster, job: Job): string | undefined {
  const { head, spec } = job;
  if (head.state === "succeeded") return judgeOutput(cluster, job);
  if (head.state !== "failed" && head.state !== "killed") return `${job.id} is ${head.state}`;
  const rivals = [...cluster.log.reference.jobs()].filter((other) => other.spec.output === spec.output);
  if (head.state === "failed") {
    const { code = "", message = "" } = head.failure ?? {};
    if (message === "") return `${job.id} failed without a reason`;
    const allowed = rivals.length > 1 ? ["JOB_FAILED", "CHANGED_MEANWHILE"] : ["JOB_FAILED"];
    if (!allowed.includes(code)) return `${job.id} failed, and not of its program: ${code}: ${message}`;
  }
  const marker = cluster.files.has(`${spec.output}/_SUCCESS`);
  const isRivals = rivals.some((other) => other.head.state === "succeeded");
  return marker && !isRivals ? `${job.id} ${head.state}, and its output was published` : undefined;
}

function judgeOutput(cluster: JobsCluster, job: Job): string | undefined {
  const { output, settings } = job.spec;
  const tree = cluster.files.tree(output);
  if (!tree.delete(`${output}/_SUCCESS`)) return `${job.id} succeeded and there is no _SUCCESS`;
  const expected = cluster.expected(settings.reduces);
  const found = new Map<string, number>();
  const parts = settings.reduces === 0 ? job.map.tasks.length : settings.reduces;
  for (const [path, content] of tree) {
    if (!/\/part-\d{5}$/.test(path)) return `${job.id} left ${path} in its output`;
    for (const line of (content ?? "").split("\n")) {
      if (line === "") continue;
      const [word, count] = settings.reduces === 0 ? [line, "1"] : line.split("\t");
      if (settings.reduces > 0 && found.has(word!)) return `${job.id} has ${word} twice`;
      found.set(word!, (found.get(word!) ?? 0) + Number(count));
    }
  }
  if (tree.size !== parts) return `${job.id} left ${tree.size} parts, not ${parts}`;
  for (const [word, count] of expected) {
    if (found.get(word) !== count) return `${job.id} counts ${word} ${found.get(word)} times, not ${count}`;
  }
  if (found.size !== expected.size) return `${job.id} counts ${found.size} words, not ${expected.size}`;
  return judgeCounters(cluster, job);
}

function judgeCounters(cluster: JobsCluster, job: Job): string | undefined {
  const counted = job.counters()["user"] ?? {};
  let records = 0;
  let words = 0;
  for (const lines of cluster.input.values()) {
    records += lines.length;
    for (const line of lines) words += line.split(" ").length;
  }
  if ((counted["records"] ?? 0) !== records)
    return `${job.id} counted ${counted["records"]} records, not ${records}`;
  if (job.spec.settings.reduces > 0 && (counted["values"] ?? 0) !== words)
    return `${job.id} counted ${counted["values"]} values, not ${words}`;
  return undefined;
}

/** What is left where nothing should be, or undefined. */
export function judgeLeftovers(cluster: JobsCluster): string | undefined {
  for (const path of cluster.files.tree().keys()) {
    if (path.includes("/_temporary")) return `${path} is left`;
  }
  for (const [node, area] of cluster.areas) {
    if (!cluster.lives.has(node)) continue;
    for (const name of area.directories.keys()) return `${node} still has the directory of ${name}`;
    for (const name of area.outputs.keys()) return `${node} still has the output of ${name}`;
  }
  for (const [node, { machine }] of cluster.lives) {
    if (machine.digest() !== cluster.log.reference.digest()) return `${node} has another state`;
    for (const { tally } of [...machine.jobs()].flatMap(({ map, reduce }) => [map, reduce])) {
      if (tally.attemptsRunning > 0) return `${node} believes that something runs`;
    }
  }
  return undefined;
}
