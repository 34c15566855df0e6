/** Web pages in a browser of this machine: what a node's HTTP server lets them do. */
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

/**
 * What browsers send along, and a page cannot take away: the language always, `Sec-Fetch-Site` to hosts that they trust (so
 * not to a name that was pointed here, over HTTP: W3C Fetch Metadata, section 2), the others where they fit. Hadoop's clients,
 * curl and Python's send none of them.
 */
const BROWSERS = ["accept-language", "sec-fetch-site", "origin", "referer"];

/** `fetch` of Node.js gives a language and half of the metadata: no browser does, and no page can (`Sec-` is forbidden to it). */
function isNodes(headers: IncomingMessage["headers"]): boolean {
  return headers["sec-fetch-mode"] !== undefined && headers["sec-fetch-site"] === undefined;
}

/**
 * Web pages may read what nobody else may see but who asks from here, so not under a name that their owner pointed at this
 * machine: the host that a browser asks for must be an address, localhost, or one of `names` (lower case, without a port).
 * Programs may call it what they like. Throws ACCESS_DENIED, and says how to allow a name.
 */
export function refuseForeignNames(
  { headers }: Pick<IncomingMessage, "headers">,
  names: ReadonlySet<string>,
): void {
  const { host } = headers;
  if (host === undefined || FIXED_HOST.test(host)) return;
  if (isNodes(headers) || !BROWSERS.some((name) => headers[name] !== undefined)) return;
  const name = host.replace(/:\d*$/, "").toLowerCase();
  if (names.has(name)) return;
  const shown = JSON.stringify(name.slice(0, 255));
  throw new QuorateError(
    "ACCESS_DENIED",
    `a browser calls this node ${shown}: it does not know that name, whose owner may have pointed it here; ` +
      "ask for its address, or start it with --browser-names NAME",
  );
}
