/** LISTSTATUS: a whole directory in one JSON, written page by page at the client's pace, so that its length costs no memory. */
import type { ServerResponse } from "node:http";
import { drained } from "./pace.ts";
import type { Asked } from "./questions.ts";
import { page } from "./questions.ts";
import { fileStatusJson } from "./statuses.ts";

export async function sendListing(
  asked: Asked,
  response: ServerResponse,
  idleTimeoutMs: number,
): Promise<void> {
  let { entries, remaining } = await page(asked, "");
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
  });
  response.write('{"FileStatuses":{"FileStatus":[');
  for (let isFirst = true; entries.length > 0; isFirst = false) {
    const texts = entries.map(([name, status]) => JSON.stringify(fileStatusJson(status, name)));
    const goesOn = response.write(`${isFirst ? "" : ","}${texts.join(",")}`);
    if (!goesOn) await drained(response, idleTimeoutMs);
    if (response.destroyed) return;
    const last = entries.at(-1)?.[0];
    if (remaining === 0 || last === undefined) break;
    ({ entries, remaining } = await page(asked, last));
  }
  response.end("]}}");
}
