/** What a bundle for Hadoop carries of its job besides the code. */
import type { JobSpec } from "../job-spec.ts";

/** Inputs and properties as Hadoop will name them; settings that the job's functions see. */
export type HadoopJob = Pick<
  JobSpec,
  "name" | "user" | "inputs" | "output" | "settings" | "properties" | "ranges" | "totalOrder"
>;

/** Which words the bundle is called with: `node job.mjs map`. */
export const ROLES = ["map", "combine", "reduce"] as const;
export type Role = (typeof ROLES)[number];
