/** Where a job was made, so that a program which has the job can have its module bundled: a function cannot be sent, its module can. */
import { fileURLToPath } from "node:url";

const places = new WeakMap<object, string>();

/** Notes that `made` was made by who called `maker`. */
export function notePlace(made: object, maker: (...args: never[]) => object): void {
  const place = callerOf(maker);
  if (place !== undefined) places.set(made, place);
}

/**
 * The URL or path of the module in which the job was made, as the program knows it; undefined: it was made by another copy of
 * this package, or by no module.
 */
export function placeOfJob(made: object): string | undefined {
  return places.get(made);
}

/** The file of a module by its URL or path. */
export function pathOfModule(place: string | URL): string {
  const url = String(place);
  return url.startsWith("file:") ? fileURLToPath(url.replace(/[?#].*$/, "")) : url;
}

/** As the program runs it: source maps that the program has switched on would name a file that is not loaded. */
function callerOf(callee: (...args: never[]) => object): string | undefined {
  const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  const { stackTraceLimit } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_, sites) => sites[0]?.getFileName();
    Error.captureStackTrace(holder, callee);
    const { stack } = holder;
    return typeof stack === "string" && stack !== "" ? stack : undefined;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (before === undefined) Reflect.deleteProperty(Error, "prepareStackTrace");
    else Object.defineProperty(Error, "prepareStackTrace", before);
  }
}
