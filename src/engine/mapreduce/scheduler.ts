/**
 * Decides, at the leader of the jobs' group: which task runs where, what is lost with a node, what is so slow that it is begun
 * once more. It keeps nothing that another leader would miss: all it decides is in the log, and all it looks at is in the log
 * or in the beats that every node hears.
 */
import type { Clock, Logger, NodeId, Timer } from "../../runtime/world.ts";
import type { AttemptId, TaskKind } from "../../mapreduce/job-spec.ts";
import type { Room, SchedulingSettings } from "./assignments.ts";
import { assignTasks, avoidedBy, failedOn, hasRoom, keyOf } from "./assignments.ts";
import type { Beats, Problem } from "./beats.ts";
import { DEAD_AFTER_MS } from "./beats.ts";
import type { JobFileSystem, JobLink, JobsLog } from "./doors.ts";
import { JobSteps } from "./job-steps.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import type { Assignment } from "./jobs/model.ts";
import { propose } from "./jobs-door.ts";
import { backupsAllowed, stragglersOf } from "./stragglers.ts";

const TICK_MS = 100;
/** Between two looks for slow attempts. */
const STRAGGLERS_MS = 1_000;
/** Attempts of one command. */
const LOST_MAX = 500;
/** Assignments of one command. */
const ASSIGN_MAX = 500;

export interface SchedulerOptions {
  readonly machine: JobsMachine;
  readonly log: JobsLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly link: JobLink;
  readonly beats: Beats;
  readonly files: JobFileSystem;
  readonly settings: SchedulingSettings;
}

export class Scheduler {
  private readonly options: SchedulerOptions;
  private readonly steps: JobSteps;
  /** The term in which this node leads, and its state holds what came before. */
  private term: number | undefined;
  /** The term for which it waits to know that. */
  private entering: number | undefined;
  /** Tasks on their way into the log, and to which node. */
  private readonly pending = new Map<string, NodeId>();
  private readonly waits = new Map<string, number>();
  /** Since when reduces of a job could get on, log time. */
  private readonly mapsDoneMs = new Map<Job, number>();
  private losing = false;
  private preempting = false;
  private stragglersAtMs = -Infinity;
  private scheduled = false;
  private timer: Timer | undefined;
  private closed = false;

  constructor(options: SchedulerOptions) {
    this.options = options;
    this.steps = new JobSteps(options);
    options.beats.onBeat(() => this.review());
    this.tick();
  }

  get leads(): boolean {
    return this.term !== undefined;
  }

  /** Jobs whose output does not get on, at the leader. */
  get problems(): readonly Problem[] {
    return this.leads ? this.steps.problems() : [];
  }

  /** Something has changed. */
  review(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    this.options.clock.endOfTurn(() => {
      this.scheduled = false;
      if (!this.closed) this.decide();
    });
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.steps.close();
  }

  private tick(): void {
    this.timer = this.options.clock.setTimer(TICK_MS, () => {
      if (this.closed) return;
      this.tick();
      this.decide();
    });
  }

  private decide(): void {
    if (!this.enter()) return;
    this.steps.review();
    this.loseDeadNodes();
    this.assign();
    this.makeRoomForMaps();
    this.beginBackups();
  }

  /** True when this node leads, and has applied what earlier leaders decided. */
  private enter(): boolean {
    const { log } = this.options;
    const term = log.leadingTerm();
    if (term === this.term) return term !== undefined;
    this.term = undefined;
    if (term === undefined || this.entering === term) return false;
    this.entering = term;
    this.pending.clear();
    this.waits.clear();
    log.barrier((error) => {
      if (this.entering !== term) return;
      this.entering = undefined;
      if (error !== undefined || this.closed || log.leadingTerm() !== term) return;
      this.term = term;
      this.options.logger.log("info", "mapreduce.scheduler", { term });
      this.review();
    });
    return false;
  }

  /** Running attempts of nodes that are gone, or of earlier lives of those that are not; and map outputs with them. */
  private loseDeadNodes(): void {
    if (this.losing) return;
    const { machine, beats, log } = this.options;
    for (const node of machine.nodes()) {
      const dead = beats.standing(node) === "dead";
      const life = beats.of(node)?.life;
      const lost: AttemptId[] = [];
      for (const id of machine.runningOn(node)) {
        // A worker that begins anew says itself which map outputs it still has.
        if (dead || (life !== undefined && machine.attempt(id)!.life < life)) lost.push(id);
      }
      if (beats.silentMs(node) >= DEAD_AFTER_MS) lost.push(...machine.outputsOn(node));
      if (lost.length === 0) continue;
      const reason = dead ? `${node} is gone` : `the worker of ${node} was started again`;
      this.losing = true;
      propose(log, { type: "lost", attempts: lost.slice(0, LOST_MAX), reason }, () => {
        this.losing = false;
        this.review();
      });
      return;
    }
  }

  private assign(): void {
    const { machine, clock, settings } = this.options;
    const rooms = this.rooms();
    if (!rooms.some(hasRoom)) return;
    const assignments = assignTasks({
      jobs: [...machine.jobs()].filter((job) => job.head.state === "running"),
      rooms,
      settings,
      nowMs: clock.monotonicMs(),
      waits: this.waits,
      isPending: (job, kind, task) => this.pending.has(keyOf(job, kind, task)),
    });
    this.put(assignments);
  }

  private put(assignments: readonly Assignment[]): void {
    const { machine, log } = this.options;
    for (let from = 0; from < assignments.length; from += ASSIGN_MAX) {
      const part = assignments.slice(from, from + ASSIGN_MAX);
      const keys = part.map((each) => keyOf(machine.job(each.job)!, each.kind, each.task));
      for (const [at, key] of keys.entries()) this.pending.set(key, part[at]!.node);
      propose(log, { type: "assign", assignments: part }, () => {
        for (const key of keys) this.pending.delete(key);
        this.review();
      });
    }
  }

  /** Nodes that take tasks, and how much room they have. */
  rooms(): Room[] {
    const { link, beats, machine } = this.options;
    const rooms: Room[] = [];
    for (const node of link.nodes()) {
      const beat = beats.of(node);
      if (beat === undefined || beat.refusing !== undefined || beats.standing(node) !== "live") continue;
      let used = machine.countOn(node);
      for (const to of this.pending.values()) if (to === node) used++;
      rooms.push({ node, life: beat.life, slots: beat.slots, used });
    }
    return rooms;
  }

  /**
   * Maps that must run again while reduces, which wait for them, have all the room: a reduce makes way. Nothing of it is lost
   * but its time.
   */
  private makeRoomForMaps(): void {
    if (this.preempting) return;
    const { machine, log, settings } = this.options;
    const rooms = this.rooms();
    for (const job of machine.jobs()) {
      if (job.head.state !== "running" || job.map.waiting.size === 0 || job.map.running.size > 0) continue;
      // Room on a node that the job avoids is none.
      const avoided = avoidedBy(job, rooms, settings);
      const usable = rooms.filter(({ node }) => !avoided.has(node));
      if (usable.some(hasRoom)) continue;
      const youngest = this.youngestReduce(job, usable);
      if (youngest === undefined) continue;
      this.preempting = true;
      propose(log, { type: "preempt", attempts: [youngest], reason: "it made room for a map" }, () => {
        this.preempting = false;
        this.review();
      });
      return;
    }
  }

  private youngestReduce(job: Job, rooms: readonly Room[]): AttemptId | undefined {
    let youngest: AttemptId | undefined;
    let begunMs = -Infinity;
    for (const task of job.reduce.running) {
      for (const [attempt, { state, startedMs, node }] of job.reduce.tasks[task]!.attempts.entries()) {
        if (state !== "running" || startedMs < begunMs || !rooms.some((room) => room.node === node)) continue;
        begunMs = startedMs;
        youngest = { job: job.id, kind: "reduce", task, attempt };
      }
    }
    return youngest;
  }

  private beginBackups(): void {
    const { clock, machine } = this.options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.stragglersAtMs < STRAGGLERS_MS) return;
    this.stragglersAtMs = nowMs;
    for (const job of machine.jobs()) {
      if (job.head.state !== "running" || !job.spec.settings.speculative) continue;
      for (const kind of ["map", "reduce"] as const) this.backUp(job, kind);
    }
    for (const job of this.mapsDoneMs.keys()) if (machine.job(job.id) !== job) this.mapsDoneMs.delete(job);
  }

  private backUp(job: Job, kind: TaskKind): void {
    const { log, beats, settings } = this.options;
    const { running, waiting, tasks } = job.table(kind);
    // What has not begun at all comes first.
    if (running.size === 0 || waiting.size > 0) return;
    const readyMs = kind === "map" ? 0 : this.mapsDone(job);
    if (readyMs === undefined) return;
    let backups = 0;
    for (const task of running) {
      if (tasks[task]!.attempts.filter(({ state }) => state === "running").length > 1) backups++;
    }
    const allowed = backupsAllowed(tasks.length) - backups;
    if (allowed <= 0) return;
    const slow = stragglersOf({
      job,
      kind,
      nowMs: log.logTimeMs(),
      fractionOf: (task, attempt) => beats.progressOf({ job: job.id, kind, task, attempt })?.fraction,
      standingOf: (node) => beats.standing(node),
      afterMs: settings.backupAfterMs,
      readyMs,
    });
    const rooms = this.rooms();
    const avoided = avoidedBy(job, rooms, settings);
    const assignments: Assignment[] = [];
    for (const { task, node } of slow) {
      if (assignments.length >= allowed) break;
      if (this.pending.has(keyOf(job, kind, task))) continue;
      const record = tasks[task]!;
      const isBetter = (room: Room): boolean =>
        hasRoom(room) && room.node !== node && !avoided.has(room.node) && !failedOn(record, room.node);
      const room = rooms.find(isBetter);
      if (room === undefined) continue;
      room.used++;
      const attempt = record.attempts.length;
      assignments.push({ job: job.id, kind, task, attempt, node: room.node, life: room.life, backup: true });
    }
    this.put(assignments);
  }

  /** Log time at which the last map of a job had finished, as far as this leader saw it. */
  private mapsDone(job: Job): number | undefined {
    if (job.map.tally.finished < job.map.tasks.length) {
      this.mapsDoneMs.delete(job);
      return undefined;
    }
    const known = this.mapsDoneMs.get(job);
    if (known !== undefined) return known;
    let last = 0;
    for (const { attempts, winner } of job.map.tasks) last = Math.max(last, attempts[winner!]!.endedMs ?? 0);
    this.mapsDoneMs.set(job, last);
    return last;
  }
}
