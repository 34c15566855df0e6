/** QUORATE: what Redis has no word for. */
import { binaryStringFromUtf8 } from "../../../../runtime/bytes.ts";
import { statusDocument } from "../../admin/status-document.ts";
import { command, family, row } from "../session-command.ts";
import type { Call, Family } from "../session-command.ts";

/** The cluster as this node sees it, as JSON: what `quorate status` prints. Answered without a quorum too. */
function status({ server }: Call): string {
  return binaryStringFromUtf8(JSON.stringify(statusDocument(server.node)));
}

export const QUORATE_FAMILY: Family = family(
  row("quorate", -2, "admin loading stale", "server", "7.0.0", "A container for commands of Quorate's own"),
  [
    command(
      row(
        "quorate|status",
        2,
        "admin loading stale",
        "server",
        "7.0.0",
        "Describes nodes and groups as JSON",
      ),
      status,
    ),
  ],
);
