/** Files, asked again while nodes are killed. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { formatDuration } from "../style.ts";
import { pause } from "./connection.ts";

const PAUSE_MS = 50;
/** No cluster that keeps its promises stays away for so long. */
const RETRY_TIMEOUT_MS = 30_000;

/**
 * Carries out what may be carried out twice, until it is acknowledged; `onRetry` each time that it was not. Throws NO_QUORUM after
 * half a minute, and at once what no further try would change.
 */
export async function untilStored<T>(
  signal: AbortSignal,
  operation: () => Promise<T>,
  onRetry: () => void = () => undefined,
): Promise<T> {
  const deadline = performance.now() + RETRY_TIMEOUT_MS;
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      signal.throwIfAborted();
      if (!isQuorateError(error) || !(error.retryable || error.outcome === "unknown")) throw error;
      if (performance.now() > deadline) {
        const waited = formatDuration(RETRY_TIMEOUT_MS);
        throw new QuorateError("NO_QUORUM", `files were away for ${waited}: ${error.message}`, {
          cause: error,
        });
      }
      onRetry();
    }
    await pause(PAUSE_MS, signal);
  }
}
