/** Paths of a file system: absolute texts. The server has the last word; these rules are those of every driver. */
import { QuorateError } from "../../runtime/errors.ts";

/** Without a slash at the end. Throws PATH_INVALID. */
export function checkPath(path: string): string {
  // Programs without types give anything.
  if (typeof (path as unknown) !== "string")
    throw new QuorateError("PATH_INVALID", `a path is a string, not ${typeof path}`);
  const whole = path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  const isOdd = !whole.startsWith("/") || /[\u0000-\u001f\u007f]|\p{Surrogate}/u.test(whole);
  const names = whole === "/" ? [] : whole.slice(1).split("/");
  if (isOdd || names.some((name) => name === "" || name === "." || name === ".."))
    throw new QuorateError(
      "PATH_INVALID",
      `not an absolute path without ".", "..", empty parts and control characters: ${shown(path)}`,
    );
  return whole;
}

/** Of a link: where it leads is looked at when it is followed. Throws PATH_INVALID. */
export function checkTarget(target: string): string {
  if (target === "" || /[\p{Cc}\p{Surrogate}]/u.test(target))
    throw new QuorateError(
      "PATH_INVALID",
      `a link leads somewhere, by a text without control characters: ${shown(target)}`,
    );
  return target;
}

/** On one line, whatever is in it. */
function shown(path: string): string {
  return JSON.stringify(path.slice(0, 200)).slice(1, -1);
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

export function joinPath(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The path is the directory, or in it. */
export function isWithin(path: string, directory: string): boolean {
  return `${path}/`.startsWith(directory === "/" ? "/" : `${directory}/`);
}
