/**
 * Does some order of these operations explain every answer? The checker of client histories.
 *
 * A history is linearizable (Herlihy and Wing, 1990) when each operation can be given one moment between its call and its
 * return, such that a sequential model, fed in that order, gives the answers that were seen. The search is Wing and Gong's
 * with Lowe's two refinements ("Testing for linearizability", 2017): configurations that were met before are not searched
 * again, and operations take effect just in time, when a return forces one. Histories of different keys are judged
 * apart, which is sound because linearizability is local; operations on several keys join their keys into one part.
 *
 * An operation whose outcome is unknown may take effect at any time after its call, or never: it has no return. Because the
 * search is exhaustive when it fails, the return that no configuration could pass ends the *smallest failing prefix*.
 */

export interface Operation<Input, Output> {
  readonly client: string;
  readonly input: Input;
  /** Milliseconds by one clock that all clients share; equal times count as overlapping. */
  readonly startMs: number;
  /** Undefined: the outcome is unknown, or the history ended first. */
  readonly endMs?: number | undefined;
  /** Undefined with an end: it was carried out, but its answer was lost. */
  readonly output?: Output | undefined;
}

/** What is replicated, as a specification: small, sequential, obviously right. States are immutable. */
export interface Model<State, Input, Output> {
  readonly name: string;
  init(): State;
  /** Every state that may follow, empty when the answer is impossible here. An undefined output matches any answer. */
  step(state: State, operation: Operation<Input, Output>): readonly State[];
  /** Equal for equal states. */
  stateKey(state: State): string;
  /** The keys that the operation touches, at least one: histories of separate keys are judged apart. */
  keysOf(input: Input): readonly string[];
  /** True when it can change nothing: then it needs no place in the order if nobody saw its answer. */
  readOnly(input: Input): boolean;
  describe(operation: Operation<Input, Output>): string;
  describeState(state: State): string;
}

export interface Violation {
  readonly keys: readonly string[];
  /** Operations called up to the end of the smallest failing prefix, in the order of their calls. */
  readonly prefixLength: number;
  /** For a person: what could not be explained, what overlapped it, and how far the best attempts came. */
  readonly report: string;
}

export interface Verdict {
  /** `undecided`: the search was given up at its bound; it proves nothing either way. */
  readonly outcome: "linearizable" | "violation" | "undecided";
  readonly operations: number;
  readonly parts: number;
  readonly configurations: number;
  readonly violation: Violation | undefined;
}

export interface CheckOptions {
  /** Configurations that may be searched per part. Default 300,000. */
  readonly maxConfigurations?: number;
}

/** Judges a history; never throws on one that is merely wrong. */
export function checkLinearizability<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  options: CheckOptions = {},
): Verdict {
  const bound = options.maxConfigurations ?? 300_000;
  const parts = partition(model, history);
  let configurations = 0;
  let undecided = false;
  for (const part of parts) {
    const search = new Search(model, part.operations, bound);
    const outcome = search.run();
    configurations += search.configurations;
    if (outcome === "undecided") undecided = true;
    if (outcome === "violation") {
      const violation = search.violation(part.keys);
      return { outcome, operations: history.length, parts: parts.length, configurations, violation };
    }
  }
  const outcome = undecided ? "undecided" : "linearizable";
  return { outcome, operations: history.length, parts: parts.length, configurations, violation: undefined };
}

interface Part<Input, Output> {
  readonly keys: string[];
  readonly operations: Operation<Input, Output>[];
}

/** Splits a history into parts that share no key (union-find over the keys of each operation). */
function partition<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): readonly Part<Input, Output>[] {
  const parents = new Map<string, string>();
  const find = (key: string): string => {
    let root = key;
    for (
      let parent = parents.get(root);
      parent !== undefined && parent !== root;
      parent = parents.get(root)
    ) {
      root = parent;
    }
    parents.set(key, root);
    return root;
  };
  const firstKeys = history.map((operation) => {
    const [first, ...others] = model.keysOf(operation.input);
    if (first === undefined) throw new RangeError(`an operation without keys: ${model.describe(operation)}`);
    for (const other of others) parents.set(find(other), find(first));
    return first;
  });
  const parts = new Map<string, Part<Input, Output>>();
  history.forEach((operation, at) => {
    const root = find(firstKeys[at] ?? "");
    let part = parts.get(root);
    if (part === undefined) parts.set(root, (part = { keys: [], operations: [] }));
    part.operations.push(operation);
    for (const key of model.keysOf(operation.input)) if (!part.keys.includes(key)) part.keys.push(key);
  });
  return [...parts.values()];
}

/** One step of time: an operation was called or returned. */
interface Moment {
  readonly timeMs: number;
  readonly at: number;
  readonly returns: boolean;
}

/** A node of the search: an order of effects that explains all moments before `moment`. */
interface Configuration<State> {
  readonly moment: number;
  readonly state: State;
  /** Operations that took effect and have not returned: ascending. */
  readonly early: readonly number[];
  /** Took effect last, and what was before: for the report. */
  readonly effect: number;
  readonly before: Configuration<State> | undefined;
}

class Search<State, Input, Output> {
  configurations = 0;
  private readonly model: Model<State, Input, Output>;
  private readonly operations: readonly Operation<Input, Output>[];
  private readonly bound: number;
  private readonly moments: readonly Moment[];
  /** Per operation of unknown outcome, the one before it that asks for the same: one of the same kind is as good. */
  private readonly twinBefore: readonly (number | undefined)[];
  /** Per return, the other operations that were called and have not returned then; what is to be tried last comes first. */
  private readonly openAt: ReadonlyMap<number, readonly number[]>;
  /** The furthest return that could not be passed, and configurations that failed there. */
  private furthest = -1;
  private stuck: Configuration<State>[] = [];

  constructor(
    model: Model<State, Input, Output>,
    history: readonly Operation<Input, Output>[],
    bound: number,
  ) {
    this.model = model;
    this.bound = bound;
    this.operations = history
      .filter((each) => each.endMs !== undefined || !model.readOnly(each.input))
      .toSorted((left, right) => left.startMs - right.startMs);
    this.moments = momentsOf(this.operations);
    this.twinBefore = twinsOf(this.operations);
    this.openAt = openAtReturns(this.operations, this.moments);
  }

  run(): "linearizable" | "violation" | "undecided" {
    const seen = new Set<string>();
    const stack: Configuration<State>[] = [];
    const push = (configuration: Configuration<State>): boolean => {
      const passed = this.pass(configuration);
      const key = `${passed.moment}|${passed.early.join()}|${this.model.stateKey(passed.state)}`;
      if (!seen.has(key)) {
        seen.add(key);
        stack.push(passed);
      }
      return passed.moment === this.moments.length;
    };
    const start = { moment: 0, state: this.model.init(), early: [], effect: -1, before: undefined };
    if (push(start)) return "linearizable";
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      if (++this.configurations > this.bound) return "undecided";
      this.remember(top);
      for (const next of this.expand(top)) if (push(next)) return "linearizable";
    }
    return "violation";
  }

  violation(keys: readonly string[]): Violation {
    const { model, operations, moments } = this;
    const failing = moments[this.furthest] as Moment;
    const culprit = operations[failing.at] as Operation<Input, Output>;
    const called = moments.slice(0, this.furthest).filter((moment) => !moment.returns).length;
    const overlapping = operations
      .slice(0, called)
      .filter((each) => each !== culprit && (each.endMs ?? Infinity) >= culprit.startMs)
      .slice(-20);
    const lines = [
      `Not linearizable: keys ${keys.join(", ")}; no order explains the first ${called} operations, which end with`,
      `  ${line(model, culprit)}`,
      `Overlapping it:`,
      ...(overlapping.length === 0 ? ["  nothing"] : overlapping.map((each) => `  ${line(model, each)}`)),
      `The ${this.stuck.length} best attempts came to just before its return with`,
    ];
    for (const configuration of this.stuck) {
      lines.push(`  state ${model.describeState(configuration.state)}, after`);
      for (const each of this.lastEffects(configuration, 8)) lines.push(`    ${line(model, each)}`);
    }
    return { keys, prefixLength: called, report: lines.join("\n") };
  }

  /** Goes on over calls, and over returns of operations that took effect already. */
  private pass(from: Configuration<State>): Configuration<State> {
    let { moment, early } = from;
    for (; moment < this.moments.length; moment++) {
      const { returns, at } = this.moments[moment] as Moment;
      if (!returns) continue;
      if (!early.includes(at)) break;
      early = early.filter((each) => each !== at);
    }
    return { ...from, moment, early };
  }

  /** Lets one operation take effect that was called and has not: last in the list, first to be tried, the one returning. */
  private expand(from: Configuration<State>): readonly Configuration<State>[] {
    const { model, operations, moments } = this;
    const { at: returning } = moments[from.moment] as Moment;
    const open = (this.openAt.get(from.moment) ?? []).filter((at) => {
      const twin = this.twinBefore[at];
      return !from.early.includes(at) && (twin === undefined || from.early.includes(twin));
    });
    open.push(returning);
    const next: Configuration<State>[] = [];
    const stateKey = model.stateKey(from.state);
    for (const at of open) {
      const operation = operations[at] as Operation<Input, Output>;
      for (const state of model.step(from.state, operation)) {
        // An effect that nobody sees need not happen.
        if (operation.endMs === undefined && model.stateKey(state) === stateKey) continue;
        const early = [...from.early, at].sort((left, right) => left - right);
        next.push({ moment: from.moment, state, early, effect: at, before: from });
      }
    }
    return next;
  }

  private remember(configuration: Configuration<State>): void {
    if (configuration.moment > this.furthest) {
      this.furthest = configuration.moment;
      this.stuck = [];
    }
    if (configuration.moment === this.furthest && this.stuck.length < 3) this.stuck.push(configuration);
  }

  private lastEffects(configuration: Configuration<State>, count: number): Operation<Input, Output>[] {
    const effects: Operation<Input, Output>[] = [];
    let at: Configuration<State> | undefined = configuration;
    while (at !== undefined && at.effect >= 0 && effects.length < count) {
      effects.unshift(this.operations[at.effect] as Operation<Input, Output>);
      at = at.before;
    }
    return effects;
  }
}

function momentsOf(operations: readonly Operation<unknown, unknown>[]): readonly Moment[] {
  const moments: Moment[] = [];
  operations.forEach(({ startMs, endMs }, at) => {
    moments.push({ timeMs: startMs, at, returns: false });
    if (endMs !== undefined) moments.push({ timeMs: endMs, at, returns: true });
  });
  // At one time, calls come before returns: operations that may have overlapped count as overlapping.
  return moments.sort(
    (left, right) =>
      left.timeMs - right.timeMs || Number(left.returns) - Number(right.returns) || left.at - right.at,
  );
}

function openAtReturns(
  operations: readonly Operation<unknown, unknown>[],
  moments: readonly Moment[],
): ReadonlyMap<number, readonly number[]> {
  const endOf = (at: number): number => operations[at]?.endMs ?? Infinity;
  const result = new Map<number, readonly number[]>();
  const open = new Set<number>();
  moments.forEach(({ at, returns }, moment) => {
    if (!returns) {
      open.add(at);
      return;
    }
    open.delete(at);
    // What returns soon is the likeliest to have taken effect: tried first, so it comes last.
    result.set(
      moment,
      [...open].sort((left, right) => endOf(right) - endOf(left) || right - left),
    );
  });
  return result;
}

function twinsOf(operations: readonly Operation<unknown, unknown>[]): readonly (number | undefined)[] {
  const last = new Map<string, number>();
  return operations.map(({ input, endMs }, at) => {
    if (endMs !== undefined) return undefined;
    const kind = JSON.stringify(input);
    const twin = last.get(kind);
    last.set(kind, at);
    return twin;
  });
}

function line<State, Input, Output>(
  model: Model<State, Input, Output>,
  operation: Operation<Input, Output>,
): string {
  const endMs = operation.endMs === undefined ? "  ?" : operation.endMs.toFixed(2);
  return `[${operation.startMs.toFixed(2)} .. ${endMs}] ${operation.client}: ${model.describe(operation)}`;
}
