/** A driver over a file system that knows no signals: one place where every call looks at its own. */
import type { CallOptions, FilesDriver } from "./driver.ts";

type Call = (...given: readonly unknown[]) => unknown;

/** They reject nothing when they are called: streams look at the signal when they are read. */
const OTHERS: ReadonlySet<string> = new Set<keyof FilesDriver>(["list", "read", "close"]);

/** The same driver, of which no call begins when its signal has fired: it rejects with the signal's reason. */
export function heedingSignals(driver: FilesDriver): FilesDriver {
  const calls = Object.entries(driver).map(([name, call]: [string, unknown]) =>
    typeof call === "function" && !OTHERS.has(name) ? [name, heeding(call as Call)] : [name, call],
  );
  return Object.fromEntries(calls) as FilesDriver;
}

function heeding(call: Call): Call {
  return async (...given) => {
    for (const each of given) signalOf(each)?.throwIfAborted();
    return call(...given);
  };
}

function signalOf(given: unknown): AbortSignal | undefined {
  const { signal } = (given ?? {}) as CallOptions;
  return signal instanceof AbortSignal ? signal : undefined;
}
