/**
 * Paths as lists of names. Inside, a name is a binary string of its UTF-8 bytes: its order is the order of HDFS's listings,
 * and it takes a byte for a character.
 */
import { binaryStringFromUtf8, bytesFromLatin1 } from "../../../runtime/bytes.ts";
import { NAME_MAX_BYTES, PATH_MAX_DEPTH, PATH_MAX_LENGTH } from "./model.ts";
import { Refusal } from "./replies.ts";

/** Printable ASCII without what HDFS does not allow in a name. */
const PLAIN = /^[ -.0-9;-~]*$/;
/** Control characters, those above ASCII too (U+009B begins an escape sequence of terminals), and HDFS's colon. */
const FORBIDDEN = /[\p{Cc}:]/u;

/** The names of an absolute path; none for "/". Throws Refusal PATH_INVALID or NAME_TOO_LONG. */
export function namesOf(path: string): string[] {
  if (!path.startsWith("/"))
    throw new Refusal("PATH_INVALID", `Invalid path name: not absolute: ${shown(path)}`);
  if (path.length > PATH_MAX_LENGTH) {
    throw new Refusal(
      "NAME_TOO_LONG",
      `the path has more than ${PATH_MAX_LENGTH} characters: ${shown(path)}`,
    );
  }
  const names: string[] = [];
  // Doubled and trailing slashes mean nothing, as in POSIX.
  for (const part of path.split("/")) if (part !== "") names.push(nameOf(part, path));
  if (names.length > PATH_MAX_DEPTH) {
    throw new Refusal("NAME_TOO_LONG", `the path has more than ${PATH_MAX_DEPTH} names: ${shown(path)}`);
  }
  return names;
}

/** One name, checked. */
export function nameOf(text: string, path: string): string {
  const isPlain = PLAIN.test(text);
  if (text === "." || text === ".." || (!isPlain && FORBIDDEN.test(text))) {
    throw new Refusal("PATH_INVALID", `Invalid path name: ${shown(path)}`);
  }
  const name = isPlain ? text : binaryOf(text, path);
  if (name.length > NAME_MAX_BYTES) {
    const text = `The maximum path component name limit of ${shown(path)} is exceeded: limit=${NAME_MAX_BYTES}`;
    throw new Refusal("NAME_TOO_LONG", `${text} length=${name.length}`);
  }
  return name;
}

function binaryOf(text: string, path: string): string {
  try {
    // Halves of surrogate pairs would all become the same bytes.
    encodeURIComponent(text);
  } catch {
    throw new Refusal("PATH_INVALID", `Invalid path name: not well-formed Unicode: ${shown(path)}`);
  }
  return binaryStringFromUtf8(text);
}

/** The text of a name. */
export function textOf(name: string): string {
  return PLAIN.test(name) ? name : bytesFromLatin1(name).toString("utf8");
}

/** The path of the first `count` names. */
export function pathOf(names: readonly string[], count: number = names.length): string {
  if (count === 0) return "/";
  let path = "";
  for (let at = 0; at < count; at++) path += `/${textOf(names[at]!)}`;
  return path;
}

/** A copy with memory of its own: what was cut from a path would keep the whole path alive. */
export function ownName(name: string): string {
  return name.length < 13 ? name : bytesFromLatin1(name).toString("latin1");
}

/** True when `names` begins with all of `prefix`. */
export function isWithin(names: readonly string[], prefix: readonly string[]): boolean {
  if (names.length < prefix.length) return false;
  for (let at = prefix.length - 1; at >= 0; at--) if (names[at] !== prefix[at]) return false;
  return true;
}

/** For messages: a client may send anything. */
export function shown(path: string): string {
  const start = path.length > 300 ? `${path.slice(0, 300)}…` : path;
  return start.replace(/\p{Cc}/gu, "?");
}
