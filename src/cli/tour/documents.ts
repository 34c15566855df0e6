/** The tour's input: real text files, found and cut into words. */
import fs from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import { wordsOf } from "./words.ts";

/** Larger files are left out: the tour is about a cluster, not about one log file. */
const FILE_MAX_BYTES = 1_000_000;
const TOTAL_MAX_BYTES = 20_000_000;
const FILES_MAX = 2000;

export interface Document {
  /** Path below the input directory. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** Each different word and how often it occurs. */
  readonly words: ReadonlyMap<string, number>;
}

export interface Library {
  readonly directory: string;
  /** What was looked for: "text files" or "README, LICENSE and *.md". */
  readonly kind: string;
  readonly documents: readonly Document[];
  readonly bytes: number;
  readonly words: number;
}

/** The text files under `path`; without one, the documents of the installed dependencies. Throws USAGE when there are none. */
export function readLibrary(path: string | undefined, dependencies: string): Library {
  const wanted = path === undefined ? isDocument : (): boolean => true;
  const named = resolve(path ?? dependencies);
  if (!fs.existsSync(named)) throw new QuorateError("USAGE", `there is no ${named}`);
  // The root may be a link; links below it are not followed.
  const directory = fs.realpathSync(named);
  const documents: Document[] = [];
  let bytes = 0;
  let words = 0;
  for (const file of walk(directory)) {
    if (documents.length >= FILES_MAX || bytes >= TOTAL_MAX_BYTES) break;
    if (!wanted(file)) continue;
    const document = readDocument(directory, file);
    if (!document) continue;
    documents.push(document);
    bytes += document.bytes;
    for (const count of document.words.values()) words += count;
  }
  if (documents.length === 0) throw new QuorateError("USAGE", `there are no text files under ${directory}`);
  const kind = path === undefined ? "README, LICENSE and *.md of the dependencies" : "text files";
  return { directory, kind, documents, bytes, words };
}

function isDocument(path: string): boolean {
  return /(^|[/\\])(readme|licen[sc]e|changelog)[^/\\]*$|\.md$/i.test(path);
}

/** Files below a directory in a fixed order, links not followed; a path that is a file is the only one. */
function* walk(path: string): Generator<string> {
  const stat = fs.lstatSync(path);
  if (stat.isFile()) yield path;
  if (!stat.isDirectory()) return;
  for (const name of fs.readdirSync(path).sort()) {
    if (!name.startsWith(".")) yield* walk(join(path, name));
  }
}

function readDocument(directory: string, path: string): Document | undefined {
  const bytes = fs.statSync(path).size;
  if (bytes === 0 || bytes > FILE_MAX_BYTES) return undefined;
  const content = fs.readFileSync(path);
  if (content.subarray(0, 8192).includes(0)) return undefined;
  const words = countWords(content.toString("utf8"));
  if (words.size === 0) return undefined;
  const name = (relative(directory, path) || path).split(sep).join("/");
  return { name, path, bytes, words };
}

export function countWords(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
