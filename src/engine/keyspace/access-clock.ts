/**
 * When a key was last used, or how often: the local knowledge behind LRU and LFU eviction.
 *
 * Reads are served by any replica without the log, so these stamps differ between replicas and are no part of the state;
 * the leader's are the ones that choose victims. LFU is Redis's: a logarithmic counter of eight bits that decays by one a
 * minute (https://redis.io/docs/latest/develop/reference/eviction/, "The new LFU mode").
 */
import { ACCESS_UNIT_MS } from "./moment.ts";

const NEW_KEY_COUNTER = 5;
const UNITS_PER_MINUTE = Math.round(60_000 / ACCESS_UNIT_MS);

export class AccessClock {
  /** True: stamps hold minutes (24 bits) and counter (8 bits); false: the time of the last access. */
  countsFrequency = false;
  logFactor = 10;
  decayMinutes = 1;
  private seed = 0x2545_f491;

  /** The stamp of a key that is new. */
  fresh(units: number): number {
    return this.countsFrequency ? this.pack(units, NEW_KEY_COUNTER) : units;
  }

  /** The stamp after one more access. */
  touched(stamp: number, units: number): number {
    if (!this.countsFrequency) return units;
    let counter = this.frequency(stamp, units);
    if (counter < 255) {
      const base = Math.max(0, counter - NEW_KEY_COUNTER);
      if (this.chance() < 1 / (base * this.logFactor + 1)) counter++;
    }
    return this.pack(units, counter);
  }

  /** The counter after decay. */
  frequency(stamp: number, units: number): number {
    const counter = stamp & 0xff;
    if (this.decayMinutes === 0) return counter;
    const elapsed = (minutesOf(units) - (stamp >>> 8)) & 0xff_ffff;
    return Math.max(0, counter - Math.floor(elapsed / this.decayMinutes));
  }

  idleMs(stamp: number, units: number): number {
    return ((units - stamp) >>> 0) * ACCESS_UNIT_MS;
  }

  /** Greater: the better victim. */
  coldness(stamp: number, units: number): number {
    return this.countsFrequency ? 255 - this.frequency(stamp, units) : (units - stamp) >>> 0;
  }

  /** A number in [0, 1) of this replica's own, for sampling; never reaches the state. */
  chance(): number {
    let x = this.seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.seed = x;
    return (x >>> 0) / 0x1_0000_0000;
  }

  private pack(units: number, counter: number): number {
    return ((minutesOf(units) << 8) | counter) >>> 0;
  }
}

function minutesOf(units: number): number {
  return Math.floor(units / UNITS_PER_MINUTE) & 0xff_ffff;
}
