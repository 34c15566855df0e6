/**
 * The name of a request that may come twice, because its answer was lost with the node that took it. It has to be in the one
 * command that the request becomes, so that every replica that applies it knows whose it was, whichever node put it into the log.
 * Commands have no field for it: it goes with the caller's groups, as one that no inode can have and no system gives.
 */
import type { Caller } from "./model.ts";

const PREFIX = "\u0000request:";

export function withRequest(caller: Caller, request: string | undefined): Caller {
  if (request === undefined) return caller;
  return { ...caller, groups: [...caller.groups, PREFIX + request] };
}

/** Undefined: it has no name. */
export function requestOf({ groups }: Caller): string | undefined {
  const last = groups.at(-1);
  return last?.startsWith(PREFIX) === true ? last.slice(PREFIX.length) : undefined;
}
