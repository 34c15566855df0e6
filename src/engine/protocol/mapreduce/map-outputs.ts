/**
 * Map outputs as reduces fetch them: `GET /mapreduce/v1/outputs/ATTEMPT?partition=N`, with the secret of the job. The bytes are
 * those of one partition as the map left them, with checksums inside, which the reduce looks at; ranges are served, so what
 * broke off can be gone on with.
 */
import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { createHash, timingSafeEqual } from "node:crypto";
import { QuorateError } from "../../../runtime/errors.ts";
import type { AttemptId, JobId } from "../../../mapreduce/job-spec.ts";
import { attemptNamed } from "../../../mapreduce/job-spec.ts";

export interface MapOutputs {
  /** The secret of a job; undefined: there is no such job here. */
  tokenOf(job: JobId): string | undefined;
  /** Where a partition of its output is; undefined: it is not here, does not count, or cannot be read. */
  placeOf(attempt: AttemptId, partition: number): PartitionPlace | undefined;
}

export interface PartitionPlace {
  readonly path: string;
  /** Bytes, in the file. */
  readonly offset: number;
  readonly length: number;
}

const IDLE_MS = 60_000;

export const OUTPUTS_PREFIX = "/mapreduce/v1/outputs/";

/** JOB_NOT_FOUND: there is no such output, and asking again is of no use. ACCESS_DENIED. */
export async function sendMapOutput(
  outputs: MapOutputs,
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  partition: number,
): Promise<void> {
  const attempt = attemptNamed(name);
  const token = attempt && outputs.tokenOf(attempt.job);
  if (attempt === undefined || token === undefined) throw gone(name);
  if (!isEqual(request.headers.authorization ?? "", `Bearer ${token}`))
    throw new QuorateError("ACCESS_DENIED", "the secret of the job is missing or wrong");
  const place = outputs.placeOf(attempt, partition);
  if (place === undefined) throw gone(name);
  const { path, offset, length } = place;
  const file = await open(path).catch(() => {
    throw gone(name);
  });
  try {
    const range = rangeOf(request.headers.range, length);
    if (range === "unsatisfiable") {
      response.writeHead(416, { "Content-Range": `bytes */${length}`, "Content-Length": 0 });
      response.end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: length };
    response.writeHead(range === undefined ? 200 : 206, {
      "Content-Type": "application/octet-stream",
      "Content-Length": end - start,
      "Accept-Ranges": "bytes",
      "Cache-Control": "no-store",
      ETag: `"${name}-${partition}"`,
      ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${length}` }),
    });
    if (end === start || request.method === "HEAD") {
      response.end();
      return;
    }
    // A reduce that no longer reads must not keep the file.
    response.setTimeout(IDLE_MS, () => response.destroy());
    const from = offset + start;
    await pipeline(file.createReadStream({ start: from, end: offset + end - 1, autoClose: false }), response);
  } finally {
    await file.close();
  }
}

function gone(name: string): QuorateError {
  return new QuorateError("JOB_NOT_FOUND", `the output of ${name.slice(0, 100)} is not here`);
}

/** "bytes=A-" and "bytes=A-B"; anything else is the whole, as RFC 9110 allows. */
function rangeOf(
  header: string | undefined,
  length: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === undefined) return undefined;
  const start = Number(first);
  if (start >= length) return "unsatisfiable";
  const end = last === "" ? length : Math.min(length, Number(last) + 1);
  return end <= start ? undefined : { start, end };
}

/** Takes as long for a wrong secret as for the right one. */
function isEqual(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
