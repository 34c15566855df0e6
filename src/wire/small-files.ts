/**
 * A small file in one step: what WebHDFS has no words for. Its CREATE shows a new file as it grows, so that whoever must not be
 * seen to write takes another name and renames; that is four requests, here it is one.
 *
 * `PUT /files/v1/file?path=/f` with all the bytes of the file, and with parameters of CREATE, which mean what they mean there:
 * `overwrite`, `permission`, `replication`, `blocksize`, `createparent`.
 *
 * With the header `X-Quorate-Request`, a name of its own, the same request may come again, at any node: one that was carried out is
 * answered so. A node that cannot know it (it was started since, is older, or thousands came after it) answers as to a new one, and while
 * the first is under way the second is another: without `overwrite` only one of them can be, with it both.
 */
import { QuorateError } from "../runtime/errors.ts";
import { FILES_ADMIN_PREFIX } from "./files-admin.ts";
import type { Parameter } from "./webhdfs/parameters.ts";
import { bool, long, needed, permission } from "./webhdfs/parameters.ts";

export const SMALL_FILE_PATH = "/file";
export const REQUEST_HEADER = "x-quorate-request";
const REQUEST_NAME = /^[\w-]{16,64}$/;

export interface SmallFile {
  readonly path: string;
  readonly overwrite: boolean;
  readonly permission: number | undefined;
  readonly replication: number | undefined;
  readonly blocksize: number | undefined;
  readonly createparent: boolean;
}

export interface PutJson {
  /** False: the file is larger than what is kept in the namespace, or a symbolic link is at its path. Nothing was done. */
  readonly put: boolean;
}

const PARAMETERS: { readonly [Name in keyof SmallFile]: Parameter<SmallFile[Name]> } = {
  path: needed,
  overwrite: bool(false),
  permission,
  replication: long(undefined, 1),
  blocksize: long(undefined, 1),
  createparent: bool(true),
};
const NAMES = Object.keys(PARAMETERS) as readonly (keyof SmallFile)[];
/** Who asks. */
const OTHERS = new Set(["user.name", "doas", "delegation"]);

/** What the header says. Throws PROTOCOL: it is no such name. */
export function parseRequestName(text: string | readonly string[] | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (typeof text === "string" && REQUEST_NAME.test(text)) return text;
  throw new QuorateError("PROTOCOL", `${REQUEST_HEADER} is 16 to 64 letters, digits, "_" and "-"`);
}

/** As `URLSearchParams`. */
export interface Query {
  keys(): Iterable<string>;
  getAll(name: string): readonly string[];
}

/** Throws PROTOCOL: a parameter is unknown, or has a value that it cannot have. */
export function parseSmallFile(query: Query): SmallFile {
  for (const name of query.keys()) {
    if (Object.hasOwn(PARAMETERS, name) || OTHERS.has(name)) continue;
    throw new QuorateError("PROTOCOL", `the query has no parameter "${name.slice(0, 50)}"`);
  }
  const values = NAMES.map((name) => [name, PARAMETERS[name].parse(name, query.getAll(name))] as const);
  return Object.fromEntries(values) as unknown as SmallFile;
}

export function smallFileTarget(file: SmallFile, user: string): string {
  const pairs = NAMES.flatMap((name) =>
    (PARAMETERS[name] as Parameter<unknown>).render(file[name]).map((value) => [name, value] as const),
  );
  const query = [...pairs, ["user.name", user] as const].map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  );
  return `${FILES_ADMIN_PREFIX}${SMALL_FILE_PATH}?${query.join("&")}`;
}
