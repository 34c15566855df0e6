/**
 * Which named requests were carried out, as far as this node has applied them itself since it was started: soft state, of the
 * newest alone. Who is found did it; who is not found may have, and only a client that asks again is interested.
 */

/** Those of ten seconds at the highest rate that was measured, or of hours. A few megabytes. */
const KEPT = 65_536;

export class DoneRequests {
  private readonly names = new Set<string>();
  private readonly kept: number;

  constructor(kept: number = KEPT) {
    this.kept = kept;
  }

  add(request: string, path: string): void {
    this.names.add(request + path);
    if (this.names.size <= this.kept) return;
    for (const oldest of this.names) {
      this.names.delete(oldest);
      return;
    }
  }

  has(request: string, path: string): boolean {
    return this.names.has(request + path);
  }
}
