/**
 * What is refused before it comes into the log. The state machine itself takes it: logs may hold such commands, and what they did
 * when they were acknowledged they must do on every replica, whenever it reads them.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { Move } from "./commands.ts";
import type { Caller } from "./model.ts";
import { PUBLISH_MOVES_MAX } from "./model.ts";
import { namesOf, pathOf, shown } from "./path.ts";
import type { NamespaceQueries } from "./queries.ts";
import { Refusal } from "./replies.ts";

/** A link may lead anywhere, but its text is shown in listings as names are. Throws PATH_INVALID. */
export function checkLinkTarget(target: string): void {
  if (/[\p{Cc}\p{Surrogate}]/u.test(target))
    throw new QuorateError("PATH_INVALID", `Invalid target name: ${shown(target)}`);
}

/**
 * With `overwrite`, a move onto what an earlier one of the same publish put there would take it away without a word. Chains and
 * swaps, where it was moved on before, are none of this. Links are followed as they are now. Throws ARGUMENT_INVALID.
 */
export function checkTargets(
  namespace: Pick<NamespaceQueries, "status">,
  caller: Caller,
  moves: readonly Move[],
): void {
  // The namespace refuses it.
  if (moves.length > PUBLISH_MOVES_MAX) return;
  const places = new Places(namespace, caller);
  const placed = new Placed();
  for (const { from, to } of moves) {
    const source = places.of(from);
    const target = places.of(to);
    // Refused by the namespace, or nothing happens.
    if (source === undefined || target === undefined) return;
    const before = placed.at(target);
    if (before !== undefined) {
      const text = `both ${shown(before)} and ${shown(from)} would come to lie at ${shown(to)}`;
      throw new QuorateError("ARGUMENT_INVALID", `one publish replaces nothing that it has moved: ${text}`);
    }
    placed.move(source, target, from);
  }
}

interface Known {
  /** Without links on the way. */
  readonly names: readonly string[];
  readonly isThere: boolean;
  readonly below: Map<string, Known>;
}

/** Where paths lead, links on the way followed. Each directory is asked for once. */
class Places {
  private readonly namespace: Pick<NamespaceQueries, "status">;
  private readonly caller: Caller;
  private readonly root: Known = { names: [], isThere: true, below: new Map() };

  constructor(namespace: Pick<NamespaceQueries, "status">, caller: Caller) {
    this.namespace = namespace;
    this.caller = caller;
  }

  /** Undefined: it is no path of what can be moved. */
  of(path: string): readonly string[] | undefined {
    const names = orRefused(() => namesOf(path));
    if (names === undefined || names.length === 0) return undefined;
    let known = this.root;
    let depth = 0;
    // What is below something that is not there is made by the publish, without links.
    for (; depth < names.length - 1 && known.isThere; depth++) known = this.child(known, names[depth]!);
    return [...known.names, ...names.slice(depth)];
  }

  private child({ names, below }: Known, name: string): Known {
    let child = below.get(name);
    if (child !== undefined) return child;
    const path = pathOf([...names, name]);
    const place = orRefused(() => namesOf(this.namespace.status(path, this.caller).path));
    child = { names: place ?? [...names, name], isThere: place !== undefined, below: new Map() };
    below.set(name, child);
    return child;
  }
}

function orRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** What has been moved, as a tree of where it lies. */
class Placed {
  private readonly below = new Map<string, Placed>();
  private source: string | undefined;

  at(names: readonly string[]): string | undefined {
    return names.reduce<Placed | undefined>((place, name) => place?.below.get(name), this)?.source;
  }

  /** A directory takes along what was put into it. */
  move(from: readonly string[], to: readonly string[], source: string): void {
    const moved = this.take(from) ?? new Placed();
    moved.source = source;
    this.parentOf(to).below.set(to.at(-1)!, moved);
  }

  private take(names: readonly string[]): Placed | undefined {
    const parent = this.parentOf(names);
    const taken = parent.below.get(names.at(-1)!);
    parent.below.delete(names.at(-1)!);
    return taken;
  }

  private parentOf(names: readonly string[]): Placed {
    return names.slice(0, -1).reduce<Placed>((place, name) => {
      let next = place.below.get(name);
      if (next === undefined) place.below.set(name, (next = new Placed()));
      return next;
    }, this);
  }
}
