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
 * With `overwrite`, a publish could take away, without a word, what it was told to move: when a move goes onto what an earlier one
 * put there, or onto the source of a later one. Moves are made in their order: chains from their end, and swaps through a third
 * name, are none of this. Links are followed as they are now. Throws ARGUMENT_INVALID.
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
    const { source: before } = placed.at(target) ?? {};
    if (before !== undefined) {
      const text = `both ${shown(before)} and ${shown(from)} would come to lie at ${shown(to)}`;
      throw new QuorateError("ARGUMENT_INVALID", `one publish replaces nothing that it has moved: ${text}`);
    }
    const { source: replacing, replaced } = placed.at(source) ?? {};
    if (replacing !== undefined && replaced !== undefined && places.isThere(replaced)) {
      const text = `${shown(replacing)} would replace ${shown(from)} before that is moved itself`;
      throw new QuorateError(
        "ARGUMENT_INVALID",
        `one publish replaces nothing that it is to move: ${text}: move that first, or swap through a third name`,
      );
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

  /** A link, too, wherever it leads. */
  isThere(names: readonly string[]): boolean {
    return orRefused(() => this.namespace.status(pathOf(names), this.caller, false)) !== undefined;
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
  /** The path that was moved here, as it was called; undefined: nothing was. */
  source: string | undefined;
  /** Where that was before all of this; undefined: nowhere, or nothing was moved here. */
  private origin: readonly string[] | undefined;
  /** What was moved here took the place of what was there before all of this, if there was something. */
  replaced: readonly string[] | undefined;
  /** What was here before all of this was moved away. */
  private isLeft = false;
  private readonly below = new Map<string, Placed>();

  at(names: readonly string[]): Placed | undefined {
    return names.reduce<Placed | undefined>((place, name) => place?.below.get(name), this);
  }

  /** A directory takes along what was put into it. */
  move(from: readonly string[], to: readonly string[], source: string): void {
    const origin = this.originOf(from);
    const moved = this.take(from);
    moved.source = source;
    moved.origin = origin;
    moved.replaced = this.originOf(to);
    moved.isLeft = false;
    this.parentOf(to).below.set(to.at(-1)!, moved);
  }

  /** Where what lies here was before all of this. Undefined: it was moved away. */
  private originOf(names: readonly string[]): readonly string[] | undefined {
    let base: readonly string[] | undefined = [];
    let since = 0;
    let below: ReadonlyMap<string, Placed> | undefined = this.below;
    for (const [depth, name] of names.entries()) {
      const place: Placed | undefined = below?.get(name);
      below = place?.below;
      if (place === undefined || (place.source === undefined && !place.isLeft)) continue;
      base = place.source === undefined ? undefined : place.origin;
      since = depth + 1;
    }
    return base === undefined ? undefined : [...base, ...names.slice(since)];
  }

  private take(names: readonly string[]): Placed {
    const parent = this.parentOf(names);
    const name = names.at(-1)!;
    const taken = parent.below.get(name) ?? new Placed();
    const left = new Placed();
    left.isLeft = true;
    parent.below.set(name, left);
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
