/** redlock's `exports` hide its own declarations; these are the few that the tests use. */
declare module "redlock" {
  import type { Redis } from "ioredis";

  export interface Lock {
    readonly value: string;
    extend(durationMs: number): Promise<Lock>;
    release(): Promise<unknown>;
  }
  export interface Settings {
    readonly retryCount: number;
    readonly retryDelay: number;
    readonly retryJitter: number;
  }
  export default class Redlock {
    constructor(clients: Iterable<Redis>, settings?: Partial<Settings>);
    acquire(resources: string[], durationMs: number): Promise<Lock>;
    using<T>(
      resources: string[],
      durationMs: number,
      routine: (signal: AbortSignal) => Promise<T>,
    ): Promise<T>;
  }
}
