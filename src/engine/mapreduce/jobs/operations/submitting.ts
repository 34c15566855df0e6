/** A job begins: it is taken in, and its output directory comes to be. */
import type { JobId, JobSpec } from "../../../../mapreduce/job-spec.ts";
import { Job } from "../job.ts";
import { LIVE_JOBS_MAX, PARTITIONS_MAX, TASKS_MAX } from "../model.ts";
import { Refusal } from "../replies.ts";
import { advance } from "./endings.ts";
import type { Operations } from "./operation.ts";

export const SUBMITTING: Operations<"submit" | "staged" | "prepared"> = {
  submit(state, { submission, token, spec: text, splits }) {
    const known = state.submitted(submission);
    if (known !== undefined) return { job: known.id, known: true };
    const spec = parseSpec(text);
    const { reduces } = spec.settings;
    if (splits.length > TASKS_MAX) {
      throw new Refusal(
        "ARGUMENT_INVALID",
        `the input has ${splits.length} splits, more than ${TASKS_MAX}: a larger splitSize makes fewer`,
      );
    }
    if (splits.length * reduces > PARTITIONS_MAX) {
      throw new Refusal(
        "ARGUMENT_INVALID",
        `${splits.length} maps times ${reduces} reduces are more than ${PARTITIONS_MAX} partitions`,
      );
    }
    let live = 0;
    for (const job of state.jobs.values()) if (job.live) live++;
    if (live >= LIVE_JOBS_MAX) throw new Refusal("OVERLOADED", `${LIVE_JOBS_MAX} jobs have not ended yet`);
    const id = jobId(state.timeMs, state.nextJob);
    state.nextJob++;
    const head = {
      id,
      submission,
      token,
      spec: text,
      submittedMs: state.timeMs,
      startedMs: undefined,
      endedMs: undefined,
      state: "running" as const,
      failure: undefined,
      killed: undefined,
      staged: undefined,
      prepared: false,
      cleaned: false,
      version: 0,
    };
    state.add(new Job(head, spec, splits));
    return { job: id, known: false };
  },

  staged(state, { job: id, output, instead }) {
    const job = state.job(id);
    const { head } = job;
    if (head.state !== "running" || head.prepared || head.staged?.marker !== instead) return false;
    head.staged = output;
    state.touch(job);
    return true;
  },

  prepared(state, { job: id, marker }) {
    const job = state.job(id);
    const { head } = job;
    if (head.state !== "running" || head.prepared || head.staged?.marker !== marker) return false;
    head.prepared = true;
    state.touch(job);
    advance(state, job);
    return true;
  },
};

/** The log may hold anything: only what is looked at here is taken on trust by the others. */
export function parseSpec(text: string): JobSpec {
  try {
    const spec = JSON.parse(text) as Partial<JobSpec> | null;
    const { settings } = spec ?? {};
    const isSound =
      typeof spec?.output === "string" &&
      typeof spec.user === "string" &&
      typeof spec.name === "string" &&
      isCount(settings?.reduces) &&
      isCount(settings?.attempts) &&
      isCount(settings?.skipRecords);
    if (isSound) return spec as JobSpec;
  } catch {
    // Falls through: it is no JSON.
  }
  throw new Refusal("ARGUMENT_INVALID", "the spec of the job cannot be read");
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= TASKS_MAX;
}

/** Such as `job_20261125_0007`. */
function jobId(timeMs: number, number: number): JobId {
  const day = new Date(timeMs).toISOString().slice(0, 10).replaceAll("-", "");
  return `job_${day}_${String(number).padStart(4, "0")}`;
}
