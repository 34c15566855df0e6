/**
 * quorate: the public door of the package.
 *
 * - `start`: an engine inside this process; `ALGORITHMS`: what can keep its log.
 * - `QuorateError`, `ERRORS`: what can go wrong, and whether it may be retried.
 */
export { ALGORITHMS } from "./consensus/algorithms.ts";
export type { Algorithm } from "./consensus/algorithms.ts";
export { start } from "./engine/start.ts";
export type { Engine, EngineClock, EngineNode, StartOptions } from "./engine/start.ts";
export { ERRORS, isQuorateError, QuorateError } from "./runtime/errors.ts";
export type { ErrorCode, ErrorKind, Outcome } from "./runtime/errors.ts";
