/**
 * What simulated clients ask for: operations that conflict on few keys, with values that are written once, so that every
 * answer tells which writes it has seen.
 *
 * Keys come in families of one kind. After some operations a family is left and a new one begins: the checker judges each
 * family by itself, and its work grows with the operations of unknown outcome in one family.
 */
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { StoreInput } from "./store-model.ts";
import type { WorkloadOptions } from "./swarm.ts";

const KINDS = ["string", "counter", "list", "pair", "lock", "watched"] as const;
type FamilyKind = (typeof KINDS)[number];

interface Family {
  readonly kind: FamilyKind;
  readonly name: string;
  operationsLeft: number;
  unknownLeft: number;
}

/** After so many operations of unknown outcome a family is left: each may double the work of the checker. */
const UNKNOWN_MAX = 4;

/** What a client does next. `watch`: read these keys under WATCH first, then `transaction` builds on their values. */
export type Task = Work & {
  /** The client must say when the outcome of the operation is unknown. */
  readonly unknown: () => void;
};

type Work =
  | { readonly type: "plain"; readonly input: StoreInput }
  | {
      readonly type: "watch";
      readonly keys: readonly string[];
      readonly transaction: (values: readonly (string | null)[]) => readonly (readonly string[])[];
    };

export class Workload {
  private readonly random: SeededRandom;
  private readonly options: WorkloadOptions;
  private readonly kinds: readonly FamilyKind[];
  private families: Family[] = [];
  private familiesBegun = 0;
  private valuesDrawn = 0;

  /** `knows`: whether the engine has a command of this name. */
  constructor(random: SeededRandom, options: WorkloadOptions, knows: (command: string) => boolean) {
    this.random = random;
    this.options = options;
    const possible = KINDS.filter((kind) => kind !== "list" || knows("rpush"));
    const drawn = possible.filter(() => random.chance(0.6));
    this.kinds = drawn.length > 0 ? drawn : possible;
  }

  next(): Task {
    const family = this.family();
    family.operationsLeft--;
    return { ...this.workOn(family), unknown: () => void family.unknownLeft-- };
  }

  private workOn(family: Family): Work {
    switch (family.kind) {
      case "string":
        return plain(this.stringCommand(family.name));
      case "counter":
        return plain(
          this.random.pick([
            ["INCR", family.name],
            ["INCRBY", family.name, "10"],
            ["GET", family.name],
          ]),
        );
      case "list":
        return plain(this.listCommand(family.name));
      case "pair":
        return this.pairTask(family.name);
      case "lock":
        return this.lockTask(family.name);
      case "watched":
        return this.watchTask(family.name);
    }
  }

  private family(): Family {
    this.families = this.families.filter((family) => family.operationsLeft > 0 && family.unknownLeft > 0);
    while (this.families.length < this.options.families) {
      const kind = this.random.pick(this.kinds);
      const name = `${kind}${++this.familiesBegun}`;
      this.families.push({
        kind,
        name,
        operationsLeft: this.options.familyOperations,
        unknownLeft: UNKNOWN_MAX,
      });
    }
    return this.random.pick(this.families);
  }

  /** A value that is written once in the whole run: the tag makes its command unique as well. */
  private value(): string {
    return `<${++this.valuesDrawn}>`;
  }

  private stringCommand(key: string): readonly string[] {
    const { random } = this;
    switch (random.integer(0, 11)) {
      case 0:
      case 1:
        return ["SET", key, this.value()];
      case 2:
        return ["SET", key, this.value(), random.pick(["NX", "XX", "GET"])];
      case 3:
        return ["SET", key, this.value(), "PX", `${random.integer(50, 3000)}`];
      case 4:
      case 5:
        return ["APPEND", key, this.value()];
      case 6:
        return random.pick([
          ["DEL", key],
          ["GETDEL", key],
          ["PERSIST", key],
        ]);
      case 7:
        return ["PEXPIRE", key, `${random.integer(50, 3000)}`];
      default:
        return ["GET", key];
    }
  }

  private listCommand(key: string): readonly string[] {
    switch (this.random.integer(0, 7)) {
      case 0:
      case 1:
        return ["LPUSH", key, this.value()];
      case 2:
      case 3:
        return ["RPUSH", key, this.value(), this.value()];
      case 4:
        return [this.random.pick(["LPOP", "RPOP"]), key];
      case 5:
        return ["LLEN", key];
      default:
        return ["LRANGE", key, "0", "-1"];
    }
  }

  private pairTask(name: string): Work {
    const [left, right] = [`${name}:a`, `${name}:b`];
    switch (this.random.integer(0, 4)) {
      case 0: {
        const value = this.value();
        return plain(["MSET", left, value, right, value]);
      }
      case 1: {
        const value = this.value();
        return {
          type: "plain",
          input: {
            transaction: [
              ["APPEND", left, value],
              ["APPEND", right, value],
            ],
          },
        };
      }
      case 2:
        return {
          type: "plain",
          input: {
            transaction: [
              ["GET", left],
              ["GET", right],
              ["DEL", left, right],
            ],
          },
        };
      case 3:
        return plain(["GET", this.random.pick([left, right])]);
      default:
        return plain(["MGET", left, right]);
    }
  }

  /** A lock with a fencing token, as clients build it: the holder is who got OK, its token is the counter's value. */
  private lockTask(name: string): Work {
    const [lock, token] = [`${name}:lock`, `${name}:token`];
    switch (this.random.integer(0, 4)) {
      case 0:
      case 1: {
        const take = ["SET", lock, this.value(), "NX", "PX", `${this.random.integer(100, 2000)}`];
        return { type: "plain", input: { transaction: [take, ["INCR", token]] } };
      }
      case 2:
        return {
          type: "watch",
          keys: [lock],
          transaction: () => [
            ["DEL", lock],
            ["GET", token],
          ],
        };
      case 3:
        return plain(["MGET", lock, token]);
      default:
        return plain(["GET", lock]);
    }
  }

  private watchTask(name: string): Work {
    const keys = [`${name}:a`, `${name}:b`];
    if (this.random.chance(0.3)) return plain(["SET", this.random.pick(keys), this.value()]);
    const value = this.value();
    return {
      type: "watch",
      keys,
      transaction: () => [
        ["SET", keys[0] ?? "", value],
        ["APPEND", keys[1] ?? "", value],
      ],
    };
  }
}

function plain(command: readonly string[]): Work {
  return { type: "plain", input: { command } };
}

/** Whether an encoded command is issued only once in a run: it carries a value of its own. */
export function isUnique(text: string): boolean {
  return /<\d+>/.test(text);
}
