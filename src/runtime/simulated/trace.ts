/**
 * The trace of a run: a hash over everything that happened, and a window for a person.
 *
 * Two runs of one seed must give one hash: that is the proof that no clock, no chance and no order came from outside.
 */
export class Trace {
  private low = 0x811c_9dc5;
  private high = 0x1234_5678;
  private readonly names = new Map<string, number>();
  private listener: ((timeMs: number, actor: string, what: string) => void) | undefined;
  /** Things recorded so far. */
  length = 0;

  /** Calls back for every line of the trace; lines with details are only formed while somebody listens. */
  listen(listener: (timeMs: number, actor: string, what: string) => void): void {
    this.listener = listener;
  }

  get listening(): boolean {
    return this.listener !== undefined;
  }

  /** Records that something happened. `detail` is any number that must be the same in every run of the seed. */
  record(timeMs: number, actor: string, kind: string, detail: number, text?: () => string): void {
    this.length++;
    this.mix(timeMs * 1_000_000);
    this.mix(this.nameOf(actor));
    this.mix(this.nameOf(kind));
    this.mix(detail);
    this.listener?.(timeMs, actor, text === undefined ? `${kind} ${detail}` : `${kind} ${text()}`);
  }

  /** The hash so far, as 16 hexadecimal digits. */
  hash(): string {
    return [this.high, this.low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  private mix(value: number): void {
    const lower = value | 0;
    const upper = (value / 0x1_0000_0000) | 0;
    this.low = Math.imul(this.low ^ lower, 0x0100_0193) ^ (this.high >>> 7);
    this.high = Math.imul(this.high ^ upper ^ this.low, 0x85eb_ca6b) ^ (this.low >>> 15);
  }

  private nameOf(name: string): number {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    let hash = 0;
    for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x0100_0193);
    this.names.set(name, hash);
    return hash;
  }
}
