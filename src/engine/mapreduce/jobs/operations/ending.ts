/** Jobs end, and are forgotten. */
import { Refusal } from "../replies.ts";
import { MESSAGE_MAX } from "../model.ts";
import { cut, endWithout } from "./endings.ts";
import { prune } from "../history.ts";
import type { Operations } from "./operation.ts";

export const ENDING: Operations<"committed" | "abandon" | "cleaned" | "kill" | "prune"> = {
  committed(state, { job: id, marker }) {
    const job = state.job(id);
    const { head } = job;
    if (head.state !== "committing" || head.staged?.marker !== marker) return false;
    head.state = "succeeded";
    head.endedMs = state.timeMs;
    state.touch(job);
    return true;
  },

  abandon(state, { job: id, code, message }) {
    const job = state.job(id);
    if (!job.live) return false;
    endWithout(state, job, { failure: { code, message: cut(message, MESSAGE_MAX), attempt: undefined } });
    return true;
  },

  cleaned(state, { job: id }) {
    const job = state.job(id);
    if (job.live || job.head.cleaned) return false;
    job.head.cleaned = true;
    state.touch(job);
    return true;
  },

  kill(state, { job: id, reason }) {
    const job = state.job(id);
    if (job.head.state === "killed") return;
    if (job.head.state !== "running") {
      const now =
        job.head.state === "committing" ? "its output is about to appear" : `it has ${job.head.state}`;
      throw new Refusal("JOB_ENDED", `${id} cannot be killed: ${now}`);
    }
    endWithout(state, job, { killed: cut(reason, MESSAGE_MAX) });
  },

  prune: (state) => prune(state, state.history),
};
