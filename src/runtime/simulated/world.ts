/**
 * runtime/simulated: a world in which time, chance, the network and the disks are computed from one seed.
 *
 * It runs the very code that runs in production, many machines in one process, faster than real time, and with faults that
 * a laboratory could not make at will: a run replays exactly from its seed. Entry: `SimulatedWorld`; each `SimulatedMachine`
 * in it hands its process a `World` at every start. The faults by themselves are in `network.ts`, `disk.ts` and
 * `process.ts`; who pulls which lever when is the business of `src/simulation`.
 */
import { assert } from "../errors.ts";
import type { LogFields, LogLevel, NodeId, World } from "../world.ts";
import { SimulatedDisk } from "./disk.ts";
import type { DiskOptions } from "./disk.ts";
import { SimulatedNetwork } from "./network.ts";
import type { NetworkOptions } from "./network.ts";
import { ProcessEnded, SimulatedProcess } from "./process.ts";
import type { ClockOptions } from "./process.ts";
import { SeededRandom } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

export interface MachineOptions {
  readonly clock?: Partial<ClockOptions>;
  /** Difference of the wall clock from the truth at the beginning. Default 0. */
  readonly wallOffsetMs?: number;
  readonly disk?: Partial<DiskOptions>;
  /** Whether lasting damage may be done to the disk; see `disk.ts` for the rule. Default false. */
  readonly mayDecay?: boolean;
}

export interface WorldHooks {
  /** A process called `World.fatal`: it ended itself. */
  readonly onFatal?: (machine: NodeId, error: Error) => void;
  /** An error left a callback of a process, which ended it. Default: the error leaves `Scheduler.step`. */
  readonly onUncaught?: (machine: NodeId, error: unknown) => void;
  /** A process ended, in whatever way. */
  readonly onEnd?: (machine: NodeId) => void;
  readonly onLog?: (machine: NodeId, level: LogLevel, event: string, fields: LogFields | undefined) => void;
}

/** Unix milliseconds at the beginning of every simulated world: 2026-01-01. */
export const WORLD_BEGINS_MS = 1_767_225_600_000;

export class SimulatedWorld {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly scheduler: Scheduler = new Scheduler();
  readonly trace: Trace = new Trace();
  readonly network: SimulatedNetwork;
  readonly hooks: WorldHooks;
  private readonly machines = new Map<NodeId, SimulatedMachine>();

  constructor(seed: number, network: Partial<NetworkOptions> = {}, hooks: WorldHooks = {}) {
    this.seed = seed;
    this.random = SeededRandom.fromSeed(seed);
    this.hooks = hooks;
    this.network = new SimulatedNetwork(this.scheduler, this.random.split("network"), this.trace, network);
  }

  addMachine(id: NodeId, options: MachineOptions = {}): SimulatedMachine {
    assert(!this.machines.has(id), `machine ${id} exists`);
    const machine = new SimulatedMachine(this, id, options);
    this.machines.set(id, machine);
    return machine;
  }

  machine(id: NodeId): SimulatedMachine {
    const machine = this.machines.get(id);
    assert(machine !== undefined, `no machine ${id}`);
    return machine;
  }
}

/** A computer: a clock, a disk, a place in the network, and at most one process, which may be started again and again. */
export class SimulatedMachine {
  readonly id: NodeId;
  readonly disk: SimulatedDisk;
  /** Difference of the wall clock from the truth; change it to make the date jump. */
  wallOffsetMs: number;
  /** Lives begun so far. */
  starts = 0;
  /** Pauses begun so far. */
  pauses = 0;
  private readonly world: SimulatedWorld;
  private readonly clock: ClockOptions;
  private readonly random: SeededRandom;
  private process: SimulatedProcess | undefined;

  constructor(world: SimulatedWorld, id: NodeId, options: MachineOptions) {
    this.world = world;
    this.id = id;
    this.random = world.random.split(`machine/${id}`);
    this.clock = { rate: 1, timerLatenessMs: 0.2, turnMs: 0.1, ...options.clock };
    this.wallOffsetMs = options.wallOffsetMs ?? 0;
    this.disk = new SimulatedDisk(
      id,
      world.scheduler,
      this.random.split("disk"),
      world.trace,
      options.disk,
      options.mayDecay,
    );
  }

  get running(): boolean {
    return this.process?.alive ?? false;
  }

  get paused(): boolean {
    return this.process?.paused ?? false;
  }

  /** Starts a process: `main` runs in a turn of its own and is given the world. */
  start(main: (world: World) => void): void {
    assert(!this.running, `machine ${this.id} runs a process already`);
    const { scheduler, trace, network, hooks } = this.world;
    const random = this.random.split(`start ${++this.starts}`);
    const process = new SimulatedProcess(
      scheduler,
      random.split("clock"),
      {
        ...this.clock,
        bootMs: scheduler.nowMs - random.between(0, 1e6),
        wallMs: () => WORLD_BEGINS_MS + scheduler.nowMs + this.wallOffsetMs,
      },
      (error) => {
        this.ended("uncaught");
        if (hooks.onUncaught === undefined) throw error;
        hooks.onUncaught(this.id, error);
      },
    );
    this.process = process;
    trace.record(scheduler.nowMs, this.id, "start", this.starts);
    const world: World = {
      clock: process.clock,
      random: random.split("random"),
      disk: this.disk.attach(process),
      network: network.attach(this.id, process),
      logger: {
        log: (level, event, fields) => {
          if (!process.alive) return;
          trace.record(scheduler.nowMs, this.id, `log ${event}`, 0, () => JSON.stringify(fields ?? {}));
          hooks.onLog?.(this.id, level, event, fields);
        },
      },
      fatal: (error) => {
        if (process.alive) {
          process.end();
          this.ended("fatal");
          hooks.onFatal?.(this.id, error);
        }
        throw new ProcessEnded(error.message);
      },
    };
    scheduler.after(0, () => process.deliver("input", () => main(world)));
  }

  /** Hands an input from outside (a client's bytes) to the process: now, after its pause, or never. */
  input(run: () => void): void {
    this.process?.deliver("input", run);
  }

  /** Ends the process as SIGKILL does: the machine, its page cache included, lives on. */
  kill(): void {
    if (!this.running) return;
    this.process?.end();
    this.ended("kill");
  }

  /** Cuts the power: ends the process, and what was not durable on the disk is kept or lost by chance. */
  losePower(): void {
    this.kill();
    this.disk.losePower();
  }

  /** Stops the process as SIGSTOP does. */
  pause(): void {
    this.world.trace.record(this.world.scheduler.nowMs, this.id, "pause", 0);
    this.pauses++;
    this.process?.pause();
  }

  resume(): void {
    this.world.trace.record(this.world.scheduler.nowMs, this.id, "resume", 0);
    this.process?.resume();
  }

  private ended(how: string): void {
    this.world.trace.record(this.world.scheduler.nowMs, this.id, how, this.starts);
    this.disk.endProcess();
    this.world.hooks.onEnd?.(this.id);
    this.world.network.reviewLinks(this.id);
  }
}
