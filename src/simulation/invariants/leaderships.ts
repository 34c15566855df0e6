/** Who has led which term, and who may not while another's lease holds. */
import type { Term } from "../../consensus/consensus.ts";
import type { NodeId } from "../../runtime/world.ts";

export class Leaderships {
  elections = 0;
  private readonly fail: (what: string) => void;
  private readonly leaders = new Map<Term, NodeId>();
  /** The terms in which running processes hold a lease just now. */
  private readonly leases = new Map<NodeId, () => Term | undefined>();
  private latestTerm: Term = 0;

  constructor(fail: (what: string) => void) {
    this.fail = fail;
  }

  /** A process has started. `leaseTerm`: the term in which it holds a lease at the time of the call. */
  began(node: NodeId, leaseTerm: () => Term | undefined): void {
    this.leases.set(node, leaseTerm);
  }

  /** The process is gone, and its lease with it. */
  ended(node: NodeId): void {
    this.leases.delete(node);
  }

  /** The node leads the term; true when it is told for the first time. */
  leads(node: NodeId, term: Term): boolean {
    const other = this.leaders.get(term);
    if (other === node) return false;
    if (other !== undefined) this.fail(`term ${term} has two leaders: ${other} and ${node}`);
    this.leaders.set(term, node);
    this.latestTerm = Math.max(this.latestTerm, term);
    for (const holder of this.leases.keys()) this.checkLease(holder);
    this.elections++;
    return true;
  }

  checkLease(holder: NodeId): void {
    const term = this.leases.get(holder)?.();
    if (term === undefined || term >= this.latestTerm) return;
    this.fail(
      `${holder} holds a lease of term ${term} while ${this.leaders.get(this.latestTerm)} leads term ${this.latestTerm}`,
    );
  }
}
