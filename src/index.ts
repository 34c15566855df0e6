/**
 * quorate: the public door of the package.
 *
 * - `start`: an engine inside this process; `ALGORITHMS`: what can keep its log.
 * - `connectFiles`: a file system shaped like `node:fs/promises`, over WebHDFS or a local directory.
 * - `connectJobs`: MapReduce jobs of a cluster: submit, follow, look at, kill. What a job is made of: `quorate/mapreduce`.
 * - `QuorateError`, `ERRORS`: what can go wrong, and whether it may be retried.
 */
export { ALGORITHMS } from "./consensus/algorithms.ts";
export type { Algorithm } from "./consensus/algorithms.ts";
export { start } from "./engine/start.ts";
export type { Engine, EngineClock, EngineNode } from "./engine/start.ts";
export type { StartOptions } from "./engine/start-options.ts";
export type {
  Acl,
  AclChange,
  AclEntries,
  AclEntry,
  Quota,
  QuotaUsage,
  SetAttributeOptions,
  SnapshotDifference,
  SnapshottableDirectory,
} from "./client/files/attributes.ts";
export { connectFiles } from "./client/files/connect.ts";
export type { ConnectFilesOptions } from "./client/files/connect.ts";
export type { Content } from "./client/files/content.ts";
export type {
  CallOptions,
  Checksum,
  ErasureCoding,
  Expectation,
  FileVersion,
  Move,
  PublishOptions,
  ReadOptions,
  Space,
  Summary,
  WriteOptions,
} from "./client/files/driver.ts";
export type {
  NodeReadOptions,
  NodeReadStreamOptions,
  NodeWriteOptions,
  WriteFlag,
} from "./client/files/node-options.ts";
export type { FileHandle, OpenFlags } from "./client/files/file-handle.ts";
export type { Files } from "./client/files/files.ts";
export type { FileStats } from "./client/files/file-stats.ts";
export type { WatchEvent, WatchOptions } from "./client/files/watch.ts";
export { connectJobs } from "./client/mapreduce/connect.ts";
export type { ConnectJobsOptions } from "./client/mapreduce/connect.ts";
export { JobFailedError } from "./client/mapreduce/job-run.ts";
export type { JobResult, JobRun } from "./client/mapreduce/job-run.ts";
export type { JobOptions } from "./client/mapreduce/shipped-job.ts";
export type { Jobs, ListOptions, LogOptions, OwnSubmission } from "./client/mapreduce/jobs.ts";
export type {
  JobFailure,
  JobReport,
  JobState,
  JobSubmission,
  JobSummary,
  TaskReport,
} from "./mapreduce/job-api.ts";
export { ERRORS, isQuorateError, QuorateError } from "./runtime/errors.ts";
export type { ErrorCode, ErrorKind, Outcome } from "./runtime/errors.ts";
