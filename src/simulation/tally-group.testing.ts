/** A second group on simulated nodes: the tally as its machine, clients that give it tokens, and what must hold of both. */
import type { GroupDoor } from "../engine/cluster/hosted-group.ts";
import type { Tally } from "../engine/group/tally.testing.ts";
import { createTally, encodeToken } from "../engine/group/tally.testing.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { NodeId } from "../runtime/world.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { Invariants } from "./invariants/invariants.ts";
import type { SimulatedGroup } from "./node-program.ts";
import type { Companion } from "./simulation.ts";

export const TALLY_GROUP = 1;

interface Life {
  readonly door: GroupDoor<string, number>;
  readonly tally: Tally;
}

/** Tokens that wait for an answer at one node; one that died never answers, and its client goes on elsewhere. */
const PATIENCE_MS = 8_000;

const CLIENTS = 4;

export class TallyGroup implements Companion {
  readonly id = TALLY_GROUP;
  readonly name = "tally";
  readonly invariants: Invariants;
  /** The tokens that were acknowledged, and what each was told. */
  readonly acknowledged: Map<string, number> = new Map();
  private readonly lives = new Map<NodeId, Life>();
  private given = 0;
  private stopped = false;

  constructor(invariants: Invariants) {
    this.invariants = invariants;
  }

  open: SimulatedGroup["open"] = (node, host) => {
    const tally = createTally();
    this.lives.set(node, { door: host(tally), tally });
  };

  tallyOf(node: NodeId): Tally | undefined {
    return this.lives.get(node)?.tally;
  }

  doorOf(node: NodeId): GroupDoor<string, number> | undefined {
    return this.lives.get(node)?.door;
  }

  /** Clients give token after token, each to a node of its choice. */
  start(cluster: SimulatedCluster, random: SeededRandom): void {
    for (let number = 0; number < CLIENTS; number++) this.next(cluster, random.split(`tally ${number}`));
  }

  stop(): void {
    this.stopped = true;
  }

  /** Gives tokens through a node until one is acknowledged. */
  probe(cluster: SimulatedCluster, node: NodeId, done: () => void): void {
    this.give(cluster, node, (answered) => {
      if (answered) done();
      else cluster.world.scheduler.after(100, () => this.probe(cluster, node, done));
    });
  }

  /** Reads through a node: it must count at least what was acknowledged before the question. */
  private look(cluster: SimulatedCluster, node: NodeId): void {
    const life = this.lives.get(node);
    if (life === undefined) return;
    const least = Math.max(0, ...this.acknowledged.values());
    cluster.command(node, () => {
      life.door.barrier((error) => {
        const seen = life.tally.tokens.length;
        if (error === undefined && life.door.readStillValid() && seen < least) {
          this.invariants.fail(`${node} counts ${seen} tokens after ${least} were acknowledged`);
        }
      });
    });
  }

  private next(cluster: SimulatedCluster, random: SeededRandom): void {
    cluster.world.scheduler.after(random.exponential(20), () => {
      if (this.stopped) return;
      const node = random.pick(cluster.nodes);
      if (random.chance(0.2)) this.look(cluster, node);
      this.give(cluster, node, () => this.next(cluster, random));
    });
  }

  private give(cluster: SimulatedCluster, node: NodeId, done: (answered: boolean) => void): void {
    const life = this.lives.get(node);
    const token = `token ${(this.given += 1)}`;
    let ended = false;
    const end = (answered: boolean): void => {
      if (ended) return;
      ended = true;
      done(answered);
    };
    cluster.world.scheduler.after(PATIENCE_MS, () => end(false));
    cluster.command(node, () => {
      life?.door.propose(token, encodeToken(token), (reply, error) => {
        if (error === undefined && reply !== undefined) this.acknowledged.set(token, reply);
        end(error === undefined);
      });
    });
  }

  /** What was acknowledged is counted, once, where it was said to be, and alike at all of these nodes. */
  judge(nodes: readonly NodeId[]): string | undefined {
    const [first, ...others] = nodes.map((node) => this.tallyOf(node)?.tokens ?? []);
    const tokens = first ?? [];
    if (new Set(tokens).size !== tokens.length) return "a token was counted twice";
    if (others.some((each) => each.join() !== tokens.join())) return "the nodes count differently";
    for (const [token, place] of this.acknowledged) {
      if (tokens[place - 1] !== token) return `${token} was acknowledged as number ${place} and is not there`;
    }
    return undefined;
  }
}
