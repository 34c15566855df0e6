/** A request line of WebHDFS to a typed operation, and back. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Method, Operation, OperationName } from "./operations.ts";
import { OPERATIONS } from "./operations.ts";
import type { Parameter } from "./parameters.ts";

export const WEBHDFS_PREFIX = "/webhdfs/v1";

export interface WebHdfsRequest {
  /** Decoded, absolute: "/" for the bare prefix. Not yet checked: the namespace does. */
  readonly path: string;
  readonly operation: Operation;
  /** Undefined: the client did not say. */
  readonly user: string | undefined;
  /** The user for whom `user` asks. */
  readonly onBehalfOf: string | undefined;
  readonly delegation: string | undefined;
  /** Every parameter as it came, for what a server adds to its redirects. */
  readonly query: ReadonlyMap<string, readonly string[]>;
}

type AnyParameters = Readonly<Record<string, Parameter<unknown>>>;

/** Java's client falls back to GET_BLOCK_LOCATIONS when the text of this error names the operation that it asked for. */
function unknownOperation(op: string, method: string): QuorateError {
  return new QuorateError(
    "PROTOCOL",
    `Invalid value for webhdfs parameter "op": ${op.slice(0, 100)} is not a valid ${method} operation.`,
  );
}

/**
 * `target` is the request target, such as "/webhdfs/v1/a%20b?op=open". Throws QuorateError PROTOCOL: it is no such target, op
 * is unknown or for another method, or a parameter has a value that it cannot have. UNSUPPORTED: op is missing. As HDFS has it.
 */
export function parseRequest(method: string, target: string): WebHdfsRequest {
  const mark = target.indexOf("?");
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  if (rawPath !== WEBHDFS_PREFIX && !rawPath.startsWith(`${WEBHDFS_PREFIX}/`)) {
    throw new QuorateError("PROTOCOL", `not a path of WebHDFS: ${rawPath.slice(0, 200)}`);
  }
  const query = parseQuery(mark < 0 ? "" : target.slice(mark + 1));
  const op = query.get("op")?.at(-1) ?? "";
  const name = op.toUpperCase();
  if (name === "") throw new QuorateError("UNSUPPORTED", "op=NULL is not supported");
  if (!Object.hasOwn(OPERATIONS, name)) throw unknownOperation(name, method);
  const row = OPERATIONS[name as OperationName];
  if (row.method !== method) throw unknownOperation(name, method);
  const operation: Record<string, unknown> = { op: name };
  for (const [parameter, kind] of Object.entries(row.parameters as AnyParameters)) {
    operation[parameter] = kind.parse(parameter, query.get(parameter.toLowerCase()) ?? []);
  }
  const path = decodePercent(rawPath.slice(WEBHDFS_PREFIX.length), "path");
  return {
    path: path === "" ? "/" : path,
    operation: operation as unknown as Operation,
    user: query.get("user.name")?.at(-1) || undefined,
    onBehalfOf: query.get("doas")?.at(-1) || undefined,
    delegation: query.get("delegation")?.at(-1) || undefined,
    query,
  };
}

/** The method and target of an operation; `extra` is what else the query has, such as `user.name`. */
export function renderRequest(
  path: string,
  operation: Operation,
  extra: readonly (readonly [name: string, value: string])[] = [],
): { readonly method: Method; readonly target: string } {
  const row = OPERATIONS[operation.op];
  const pairs: (readonly [string, string])[] = [["op", operation.op]];
  for (const [name, kind] of Object.entries(row.parameters as AnyParameters)) {
    const value = (operation as unknown as Readonly<Record<string, unknown>>)[name];
    for (const each of kind.render(value)) pairs.push([name, each]);
  }
  const query = [...pairs, ...extra].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return { method: row.method, target: `${WEBHDFS_PREFIX}${encoded === "/" ? "/" : encoded}?${query}` };
}

/** Names in lower case: clients differ in that. */
function parseQuery(text: string): ReadonlyMap<string, readonly string[]> {
  const query = new Map<string, string[]>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const sign = pair.indexOf("=");
    const name = decodePercent(
      (sign < 0 ? pair : pair.slice(0, sign)).replaceAll("+", " "),
      "query",
    ).toLowerCase();
    const value = sign < 0 ? "" : decodePercent(pair.slice(sign + 1).replaceAll("+", " "), "query");
    const values = query.get(name);
    if (values === undefined) query.set(name, [value]);
    else values.push(value);
  }
  return query;
}

/** Throws PROTOCOL: a name of other bytes would become another name. */
export function decodePercent(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new QuorateError("PROTOCOL", `the ${what} is not percent-encoded UTF-8: ${text.slice(0, 200)}`);
  }
}
