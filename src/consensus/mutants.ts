/** Deliberate bugs of the cores, set only by the searches that must find them (`mutants.test.ts`, `simulation/mutants.ts`). */

export type ConsensusMutant =
  | "vote-before-fsync"
  | "ignore-last-log-term"
  | "commit-old-term-by-counting"
  | "truncate-without-conflict"
  | "count-learner-in-quorum"
  | "reuse-read-id"
  | "lease-starts-at-reply"
  | "accept-snapshot-behind-commit"
  | "ignore-floor"
  | "newcomer-votes"
  | "keep-progress-of-replaced"
  | PaxosMutant;

export type PaxosMutant =
  | "promise-before-disk"
  | "accept-below-promise"
  | "take-lower-ballot"
  | "apply-over-hole"
  | "skip-noop"
  | "forget-promise-in-snapshot"
  | "forget-members-behind-snapshot"
  | "count-stale-accept";
