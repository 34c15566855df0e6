/** Web pages in a browser of this machine: what the doors of files and jobs let them do. */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../runtime/errors.ts";

/** A host that nobody can point elsewhere: an address, or this machine by its own name for itself. */
const FIXED_HOST = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-f:.]+\]|(?:[\w-]+\.)*localhost)(?::\d+)?$/i;

/**
 * Web pages may not change anything, because whoever asks is believed: their browsers send the origin along. One of the same
 * origin may, but not under any name: the owner of a name can point it at this machine when the page is there already (DNS
 * rebinding), and then every page is of the same origin. Throws ACCESS_DENIED.
 */
export function refusePages({ method, headers }: Pick<IncomingMessage, "method" | "headers">): void {
  const { origin, host = "" } = headers;
  if (origin === undefined || method === "GET") return;
  if (origin === `http://${host}` && FIXED_HOST.test(host)) return;
  throw new QuorateError("ACCESS_DENIED", "not for web pages of another origin");
}
