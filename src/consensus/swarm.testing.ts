/** What may befall the cluster of `cluster.testing.ts`, and how much of it a seed draws. */

/** A small, fast generator (splitmix32): uniform in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  };
}

export interface Faults {
  loss: number;
  duplicate: number;
  /** Messages take up to this long; now and then ten times as long. */
  delayMs: number;
  diskMs: number;
  /** Giving the state machine a received snapshot takes up to this long: leaders may come and go meanwhile. */
  restoreMs: number;
  crash: number;
  /** How many crashes are followed by damage to what was durable: entries from somewhere on, the snapshot too at times. */
  rot: number;
  /** How many crashes are followed by the loss of everything: what comes back under the name is another. */
  forget: number;
  partition: number;
  /** How many partitions keep what is sent across them, as connections do, instead of losing it. */
  hold: number;
  pause: number;
  change: number;
  compact: number;
  transfer: number;
  /** How much of what befalls a machine befalls a leader. */
  aim: number;
  /** Entries per append are few, so that a leader can fall in the middle of sending them. */
  appendMaxBytes: number;
}

/** Each seed draws its own mix, so that a rare combination is not drowned by a common one. */
export function swarm(seed: number): Faults {
  const random = randomFrom(seed ^ 0x5eed);
  const some = (most: number): number => (random() < 0.5 ? 0 : random() * most);
  const drawn: Faults = {
    loss: some(0.2),
    duplicate: some(0.2),
    delayMs: 0.5 + some(20),
    diskMs: 0.5 + some(15),
    restoreMs: 0,
    crash: some(0.05),
    rot: 0,
    forget: 0,
    partition: some(0.04),
    hold: 0.4,
    pause: some(0.03),
    change: some(0.05),
    compact: some(0.05),
    transfer: some(0.03),
    aim: some(1),
    appendMaxBytes: random() < 0.5 ? 1 : 64,
  };
  // Drawn last: the seeds keep what they drew before there was rot.
  return { ...drawn, rot: some(0.8), forget: some(0.8), restoreMs: 3 * drawn.diskMs + some(1500) };
}
