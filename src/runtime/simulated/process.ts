/**
 * One life of one simulated process: the gate through which every event reaches it.
 *
 * A dead process gets nothing and does nothing. A paused one (SIGSTOP, a suspended machine, a long garbage collection)
 * keeps what arrives, and gets it all at once when it goes on: its timers late, its messages in a heap. In which order a
 * real event loop would then serve the two depends on where it was stopped, so chance decides.
 */
import type { Clock, Timer } from "../world.ts";
import type { SeededRandom } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** What stops the running callback after `World.fatal`; never an error of the simulation itself. */
export class ProcessEnded extends Error {
  override readonly name = "ProcessEnded";
}

export interface ClockOptions {
  /** Local milliseconds per true millisecond. Default 1. */
  readonly rate: number;
  /** Mean lateness of a timer in true milliseconds (a busy event loop). Default 0.2. */
  readonly timerLatenessMs: number;
  /** Longest time from the first input of an event-loop turn to its end. Default 0.1. */
  readonly turnMs: number;
}

type EventKind = "timer" | "input" | "turn";

export class SimulatedProcess {
  readonly clock: Clock;
  private readonly scheduler: Scheduler;
  private readonly random: SeededRandom;
  private readonly onUncaught: (error: unknown) => void;
  private state: "running" | "paused" | "dead" = "running";
  private waiting: { kind: EventKind; run: () => void }[] = [];
  private turn: (() => void)[] = [];

  constructor(
    scheduler: Scheduler,
    random: SeededRandom,
    clock: ClockOptions & { readonly bootMs: number; readonly wallMs: () => number },
    onUncaught: (error: unknown) => void,
  ) {
    this.scheduler = scheduler;
    this.random = random;
    this.onUncaught = onUncaught;
    this.clock = {
      monotonicMs: () => (scheduler.nowMs - clock.bootMs) * clock.rate,
      wallMs: clock.wallMs,
      setTimer: (delayMs, callback) => this.setTimer(delayMs / clock.rate, clock.timerLatenessMs, callback),
      endOfTurn: (callback) => this.endOfTurn(clock.turnMs, callback),
    };
  }

  get alive(): boolean {
    return this.state !== "dead";
  }

  get paused(): boolean {
    return this.state === "paused";
  }

  /** Hands one event to the process: now, after its pause, or never. */
  deliver(kind: EventKind, run: () => void): void {
    if (this.state === "dead") return;
    if (this.state === "paused") {
      this.waiting.push({ kind, run });
      return;
    }
    try {
      run();
    } catch (error) {
      if (error instanceof ProcessEnded) return;
      this.end();
      this.onUncaught(error);
    }
  }

  pause(): void {
    if (this.state === "running") this.state = "paused";
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.state = "running";
    const first: EventKind = this.random.chance(0.5) ? "timer" : "input";
    const waiting = this.waiting;
    this.waiting = [];
    for (const event of waiting) if (event.kind === first) this.deliver(event.kind, event.run);
    for (const event of waiting) if (event.kind !== first) this.deliver(event.kind, event.run);
  }

  end(): void {
    this.state = "dead";
    this.waiting = [];
    this.turn = [];
  }

  private setTimer(delayMs: number, latenessMs: number, callback: () => void): Timer {
    let cancelled = false;
    const late = latenessMs > 0 ? this.random.exponential(latenessMs) : 0;
    const timer = this.scheduler.after(Math.max(0, delayMs) + late, () => {
      // A timer may be cancelled while it waits for the end of a pause.
      this.deliver("timer", () => {
        if (!cancelled) callback();
      });
    });
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  private endOfTurn(turnMs: number, callback: () => void): void {
    if (this.state === "dead") return;
    this.turn.push(callback);
    if (this.turn.length > 1) return;
    this.scheduler.after(this.random.float() * turnMs, () => {
      this.deliver("turn", () => {
        const callbacks = this.turn;
        this.turn = [];
        for (const each of callbacks) each();
      });
    });
  }
}
