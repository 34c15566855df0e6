/** What operators ask of the nodes of one cluster, whichever of them answers (`wire/files-admin.ts`). */
import type { IncomingMessage } from "node:http";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type {
  BalanceJson,
  ExpungeJson,
  HealthLine,
  HealthShow,
  HealthSummaryJson,
  NodeStandingName,
  PathHealthJson,
  ReportJson,
  SafeModeJson,
  SettingsJson,
} from "../../wire/files-admin.ts";
import { FILES_ADMIN_PREFIX, parseErrorJson } from "../../wire/files-admin.ts";
import { webHdfsPlace } from "./connect.ts";
import type { CallOptions } from "./driver.ts";
import { readJson } from "./webhdfs/connections.ts";
import type { Calling } from "./webhdfs/endpoint.ts";
import { Endpoint } from "./webhdfs/endpoint.ts";

export interface HealthOptions extends CallOptions {
  /** Default: only what is wrong. */
  readonly show?: HealthShow;
  /** Files that are being written are looked at too. Default false. */
  readonly open?: boolean;
}

/** Every call rejects with a QuorateError: UNSUPPORTED when it is no cluster of Quorate, ACCESS_DENIED, NO_QUORUM and others. */
export interface FilesAdministration {
  report(options?: CallOptions): Promise<ReportJson>;
  /** What is below a path, and at the end the sums. */
  health(path: string, options?: HealthOptions): AsyncIterable<PathHealthJson | HealthSummaryJson>;
  safeMode(options?: CallOptions): Promise<SafeModeJson>;
  setSafeMode(on: boolean, options?: CallOptions): Promise<SafeModeJson>;
  setStanding(node: string, standing: NodeStandingName, options?: CallOptions): Promise<void>;
  /** One round of moves, unless copies are under way. `threshold`: a share of a node's space. */
  balance(
    order: { readonly threshold?: number; readonly maxBytes?: number },
    options?: CallOptions,
  ): Promise<BalanceJson>;
  settings(options?: CallOptions): Promise<SettingsJson>;
  /** Those that are given; ARGUMENT_INVALID when they do not fit each other. For the superuser. */
  changeSettings(change: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<SettingsJson>;
  /** Closes the current trash of the user, and removes what has been in it for longer. */
  expunge(olderThanMs: number, options?: CallOptions): Promise<ExpungeJson>;
  close(): void;
}

/** `url` as for `connectFiles`. Nothing is asked yet. Throws USAGE when it is no WebHDFS URL. */
export function connectAdministration(url: string, user: string): FilesAdministration {
  const endpoint = new Endpoint(webHdfsPlace(url).authorities, user);
  const call = async <T>(
    method: "GET" | "PUT" | "POST",
    path: string,
    options: CallOptions,
    read: (answer: IncomingMessage) => Promise<T>,
    more: Partial<Calling> & { readonly query?: Readonly<Record<string, string>> } = {},
  ): Promise<T> => {
    const query = new URLSearchParams({ ...more.query, "user.name": user });
    const target = `${FILES_ADMIN_PREFIX}${path}?${query.toString()}`;
    const calling = { what: `${method} ${path}`, method, target, repeatable: method !== "POST", ...more };
    return endpoint.call(calling, options, read).catch((error: unknown) => {
      throw explained(error);
    });
  };
  const json = async <T>(answer: IncomingMessage): Promise<T> => {
    const body = await readJson(answer);
    if (typeof body !== "object" || body === null)
      throw new QuorateError("PROTOCOL", "the answer is no JSON object");
    return body as T;
  };
  return {
    report: (options = {}) => call("GET", "/report", options, json<ReportJson>),
    async *health(path, { show = "problems", open = false, ...options } = {}) {
      const query = { path, show, open: String(open) };
      const answer = await call("GET", "/health", options, (response) => Promise.resolve(response), {
        query,
      });
      yield* linesOf(answer, options.signal);
    },
    safeMode: (options = {}) => call("GET", "/safemode", options, json<SafeModeJson>),
    setSafeMode: (on, options = {}) =>
      call("PUT", "/safemode", options, json<SafeModeJson>, { json: { on } }),
    async setStanding(node, standing, options = {}) {
      await call("PUT", `/nodes/${encodeURIComponent(node)}`, options, json, { json: { standing } });
    },
    balance: (order, options = {}) => call("POST", "/balance", options, json<BalanceJson>, { json: order }),
    settings: (options = {}) => call("GET", "/settings", options, json<SettingsJson>),
    changeSettings: (change, options = {}) =>
      call("PUT", "/settings", options, json<SettingsJson>, { json: change }),
    expunge: (olderThanMs, options = {}) =>
      call("POST", "/expunge", options, json<ExpungeJson>, { json: { olderThanMs }, repeatable: true }),
    close: () => endpoint.close(),
  };
}

/** Ends with the summary, or throws: lines that just stop are no whole answer. */
async function* linesOf(
  answer: IncomingMessage,
  signal: AbortSignal | undefined,
): AsyncGenerator<PathHealthJson | HealthSummaryJson> {
  let rest = "";
  answer.setEncoding("utf8");
  try {
    for await (const text of answer as AsyncIterable<string>) {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") continue;
        const each = JSON.parse(line) as HealthLine;
        if (each.type === "error")
          throw parseErrorJson(each) ?? new QuorateError("PROTOCOL", line.slice(0, 200));
        yield each;
        if (each.type === "summary") return;
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (isQuorateError(error)) throw error;
    throw new QuorateError("NO_QUORUM", "the answer broke off; ask again", { cause: error });
  } finally {
    answer.destroy();
  }
  throw new QuorateError("NO_QUORUM", "the answer broke off; ask again");
}

/** Another server does not know the address at all. */
function explained(error: unknown): unknown {
  if (!isQuorateError(error) || !error.message.startsWith("the server answered 404")) return error;
  const text = "this is no node of Quorate: for HDFS itself use hdfs fsck, hdfs dfsadmin and hdfs balancer";
  return new QuorateError("UNSUPPORTED", text, { cause: error });
}
