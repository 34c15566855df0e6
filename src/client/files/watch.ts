/** Changes of a file or directory by looking again and again: no file system over HTTP tells of them. */
import { isQuorateError } from "../../runtime/errors.ts";
import type { CallOptions, FileDescription, FilesDriver } from "./driver.ts";

export interface WatchOptions extends CallOptions {
  /** Milliseconds between looks. Default 1,000. */
  readonly intervalMs?: number;
}

/** As Node.js says it: "rename" when a name came or went, "change" when the file behind it is another than before. */
export interface WatchEvent {
  readonly eventType: "rename" | "change";
  /** In the directory that is watched; of a watched file its own name. */
  readonly filename: string;
}

const INTERVAL_MS = 1000;

/** Ends when the signal fires or the loop is left. What changed and changed back between two looks is not seen. */
export async function* watchPath(
  driver: FilesDriver,
  path: string,
  { intervalMs = INTERVAL_MS, ...options }: WatchOptions,
): AsyncGenerator<WatchEvent> {
  const { signal } = options;
  try {
    yield* changes(driver, path, intervalMs, options);
  } catch (error) {
    // The signal may fire in the middle of a look: that is an end like any other.
    if (signal?.aborted !== true) throw error;
  }
}

async function* changes(
  driver: FilesDriver,
  path: string,
  intervalMs: number,
  options: CallOptions,
): AsyncGenerator<WatchEvent> {
  const { signal } = options;
  let before = await look(driver, path, options);
  for (;;) {
    await pause(intervalMs, signal);
    if (signal?.aborted) return;
    const now = await look(driver, path, options);
    for (const filename of new Set([...before.keys(), ...now.keys()])) {
      const [was, is] = [before.get(filename), now.get(filename)];
      if (was === is) continue;
      yield { eventType: was === undefined || is === undefined ? "rename" : "change", filename };
    }
    before = now;
  }
}

async function look(
  driver: FilesDriver,
  path: string,
  options: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const note = (each: FileDescription): unknown =>
    found.set(
      each.path.slice(each.path.lastIndexOf("/") + 1),
      `${each.type} ${each.modifiedMs} ${each.length} ${each.mode}`,
    );
  try {
    const self = await driver.describe(path, { ...options, followLast: true });
    if (self.type !== "directory") note(self);
    else for await (const page of driver.list(path, options)) page.forEach(note);
  } catch (error) {
    if (!isQuorateError(error) || error.code !== "PATH_NOT_FOUND") throw error;
  }
  return found;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
