/** Nodes with the engine of jobs, in the simulated world: the real engine on models of the log, the files and the processes. */
import type { NetworkOptions } from "../../runtime/simulated/network.ts";
import { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import type { Network, NodeId, World } from "../../runtime/world.ts";
import type { JobSettings, JobSpec, Split } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import type { SchedulingSettings } from "./assignments.ts";
import type { JobFileSystem, JobLink, JobsLog } from "./doors.ts";
import { encodeCommand } from "./jobs/command-codec.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { Job } from "./jobs/job.ts";
import { specOf } from "./jobs/jobs.testing.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import { createJobs } from "./jobs/machine.ts";
import type { JobsReply } from "./jobs/replies.ts";
import { Refusal } from "./jobs/replies.ts";
import type { HistorySettings } from "./jobs/state.ts";
import { JobsEngine } from "./jobs-engine.ts";
import { ModelArea } from "./model-area.testing.ts";
import type { FileFaults } from "./model-files.testing.ts";
import { ModelFiles } from "./model-files.testing.ts";
import type { LogFaults } from "./model-log.testing.ts";
import { ModelLog } from "./model-log.testing.ts";
import type { Input, TaskFaults } from "./model-tasks.testing.ts";
import { attemptOf, ModelTasks } from "./model-tasks.testing.ts";

/** What keeps the log of all nodes. */
export interface JobsKeeper {
  /** At each start of a node: gives it the way into the log, and the network for beats; `machine` is kept up to date. */
  host(
    id: NodeId,
    world: World,
    machine: JobsMachine,
    hosted: (log: JobsLog, network: Network) => void,
  ): void;
  /** What every replica comes to hold. */
  readonly reference: JobsMachine;
  readonly leader: NodeId | undefined;
  readonly term: number;
  /** From now on nothing goes wrong by itself. */
  heal(): void;
}

export interface JobsClusterOptions {
  /** Default: a model of the log. */
  readonly keeper?: (world: SimulatedWorld, ids: readonly NodeId[]) => JobsKeeper;
  readonly nodes?: number;
  readonly slots?: number;
  readonly network?: Partial<NetworkOptions>;
  readonly log?: Partial<LogFaults>;
  readonly files?: Partial<FileFaults>;
  readonly tasks?: Partial<TaskFaults>;
  readonly input?: Input;
  readonly scheduling?: Partial<SchedulingSettings>;
  readonly history?: Partial<HistorySettings>;
  /** Mean time until a dead process starts again. Default: it does not by itself. */
  readonly restartMs?: number;
  /** Deliberate mistakes. */
  readonly planted?: Planted;
}

/** Where a mutant gets between the engine and what it works with. */
export interface Planted {
  readonly machine?: (machine: JobsMachine) => void;
  readonly log?: (log: JobsLog) => JobsLog;
  readonly files?: (files: JobFileSystem, model: ModelFiles) => JobFileSystem;
}

interface Life {
  readonly engine: JobsEngine;
  readonly tasks: ModelTasks;
  readonly log: JobsLog;
  readonly machine: JobsMachine;
}

export class JobsCluster {
  readonly world: SimulatedWorld;
  readonly ids: readonly NodeId[];
  readonly log: JobsKeeper;
  readonly files: ModelFiles;
  readonly areas: Map<NodeId, ModelArea> = new Map();
  readonly lives: Map<NodeId, Life> = new Map();
  readonly input: Input;
  /** Errors that left a process. */
  readonly uncaught: string[] = [];
  private readonly options: JobsClusterOptions;
  private readonly taskFaults: TaskFaults;
  private restartMs: number | undefined;
  private submissions = 0;

  constructor(seed: number, options: JobsClusterOptions = {}) {
    this.options = options;
    this.taskFaults = { throws: 0, hangs: 0, slow: 0, fetchFails: 0, stepMs: 20, ...options.tasks };
    this.restartMs = options.restartMs;
    this.input = options.input ?? booksOf(4, 20);
    this.ids = Array.from({ length: options.nodes ?? 3 }, (_, at) => `n${at + 1}`);
    this.world = new SimulatedWorld(seed, options.network, {
      onEnd: (node) => this.onEnd(node),
      onFatal: (node, error) => this.uncaught.push(`${node} ended itself: ${error.message}`),
      onUncaught: (node, error) =>
        this.uncaught.push(
          `${node}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        ),
    });
    for (const id of this.ids) {
      this.world.addMachine(id);
      this.areas.set(id, new ModelArea(this.world.random.split(`area/${id}`)));
    }
    this.log = options.keeper?.(this.world, this.ids) ?? this.modelLog();
    const fileFaults = { unknown: 0, latencyMs: 2, ...options.files };
    this.files = new ModelFiles(this.world, fileFaults, (node) => this.isCutOff(node));
    for (const id of this.ids) this.start(id);
  }

  start(id: NodeId): void {
    const machine = this.world.machine(id);
    if (machine.running) return;
    machine.start((world) => {
      const life = machine.starts;
      const state = createJobs(this.options.history);
      this.options.planted?.machine?.(state);
      world.network.setPeers(new Map(this.ids.map((peer) => [peer, peer])));
      this.log.host(id, world, state, (log, network) => this.begin(id, life, world, state, log, network));
    });
  }

  private begin(
    id: NodeId,
    life: number,
    world: World,
    state: JobsMachine,
    attached: JobsLog,
    network: Network,
  ): void {
    const machine = this.world.machine(id);
    const deliver = (run: () => void): void => {
      if (machine.starts === life) machine.input(run);
    };
    const later = (run: () => void): void => void world.clock.setTimer(0.1, run);
    const { planted = {} } = this.options;
    const log = planted.log?.(attached) ?? attached;
    const link: JobLink = {
      self: id,
      nodes: () => this.ids,
      send: (to, frame) => network.send(to, [frame]),
      onFrame: (receive: (from: NodeId, frame: Bytes) => void) => network.onFrame(receive),
    };
    const area = this.areas.get(id)!;
    const tasks = new ModelTasks(id, this.taskWorld(), area, deliver, `${id}/${life}`);
    const given = this.files.at(id, deliver);
    const engine = new JobsEngine({
      machine: state,
      log,
      link,
      clock: world.clock,
      logger: world.logger,
      files: planted.files?.(given, this.files) ?? given,
      area: area.open(later),
      programs: { ready: (_, done) => later(() => done(undefined, { bundle: undefined, cache: {} })) },
      tasks,
      slots: this.options.slots ?? 2,
      refusing: () => undefined,
      http: () => id,
      fileSystem: () => "file:///",
      settings: this.options.scheduling ?? {},
    });
    this.lives.set(id, { engine, tasks, log, machine: state });
  }

  private modelLog(): ModelLog {
    const faults = { unknown: 0, lagMs: 2, changeMs: 0, ...this.options.log };
    const log = new ModelLog(this.world, this.ids, faults, this.options.history);
    this.options.planted?.machine?.(log.reference);
    return log;
  }

  kill(id: NodeId): void {
    this.world.machine(id).kill();
  }

  losePower(id: NodeId): void {
    const tasks = this.lives.get(id)?.tasks;
    this.world.machine(id).losePower();
    tasks?.vanish();
    this.areas.get(id)!.losePower();
  }

  /** Nothing fails any more; whoever is down starts again. */
  heal(): void {
    this.restartMs = 50;
    this.world.network.heal();
    Object.assign(this.world.network.options, { loss: 0, duplicate: 0, reorder: 0, falseBreak: 0 });
    this.log.heal();
    this.files.heal();
    this.taskFaults.fetchFails = 0;
    for (const id of this.ids) {
      this.areas.get(id)!.full = false;
      this.world.machine(id).resume();
      this.start(id);
    }
  }

  /** The job as the log has it. */
  job(id: string): Job {
    const job = this.log.reference.job(id);
    if (job === undefined) throw new Error(`no job ${id}`);
    return job;
  }

  get leader(): NodeId | undefined {
    return this.log.leader;
  }

  /** In the process of a node, as a request of a client would; `done` may never come. */
  put(
    node: NodeId,
    command: JobsCommand,
    done: (reply: JobsReply | undefined) => void = () => undefined,
  ): void {
    this.world.machine(node).input(() => {
      this.lives.get(node)?.log.propose(command, encodeCommand(command), (reply) => done(reply));
    });
  }

  /** Submits until some node has taken it; gives the job's name. */
  submit(settings: Partial<JobSettings> = {}, output = "/counts", recordsPerSplit = 5): string {
    const submission = this.submitLater(settings, output, recordsPerSplit);
    this.until(() => submission.job !== undefined, "the job is taken in");
    return submission.job!;
  }

  /** As a client that tries one node after the other until one answers. */
  submitLater(
    settings: Partial<JobSettings>,
    output: string,
    recordsPerSplit: number,
  ): { job: string | undefined } {
    const command = this.submission(settings, output, recordsPerSplit);
    const submission: { job: string | undefined } = { job: undefined };
    const attempt = (): void => {
      if (submission.job !== undefined) return;
      const node = this.world.random.split(`client ${this.world.scheduler.steps}`).pick(this.ids);
      this.put(node, command, (reply) => {
        if (reply instanceof Refusal) throw new Error(reply.message);
        if (reply !== undefined) submission.job ??= (reply as { readonly job: string }).job;
      });
      this.world.scheduler.after(2_000, attempt);
    };
    attempt();
    return submission;
  }

  /** Runs the world until the condition holds, at most so many virtual milliseconds. */
  until(condition: () => boolean, what: string, forMs = 120_000): void {
    const { scheduler } = this.world;
    const endMs = scheduler.nowMs + forMs;
    while (!condition()) {
      this.check();
      if (!scheduler.stepUntil(endMs)) throw new Error(`not within ${forMs} ms: ${what}`);
    }
  }

  run(forMs: number): void {
    this.world.scheduler.runUntil(this.world.scheduler.nowMs + forMs);
    this.check();
  }

  private check(): void {
    if (this.uncaught.length > 0) throw new Error(this.uncaught.join("\n"));
    if (this.files.violation !== undefined) throw new Error(this.files.violation);
  }

  /** What a job without any failure leaves. */
  expected(reduces: number): Map<string, number> {
    const counts = new Map<string, number>();
    for (const records of this.input.values()) {
      for (const record of records) {
        for (const word of reduces === 0 ? [record] : record.split(" "))
          counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
    return counts;
  }

  splits(recordsPerSplit: number): Split[] {
    const splits: Split[] = [];
    for (const [path, records] of this.input) {
      for (let start = 0; start < records.length; start += recordsPerSplit) {
        const nodes = [this.ids[splits.length % this.ids.length]!];
        const length = Math.min(recordsPerSplit, records.length - start);
        splits.push({ path, start, length, whole: false, mapper: 0, nodes });
      }
    }
    return splits;
  }

  private submission(settings: Partial<JobSettings>, output: string, recordsPerSplit: number): JobsCommand {
    const spec: JobSpec = {
      ...specOf({ reduces: 2, attempts: 10, progressTimeoutMs: 5_000, ...settings }),
      output,
    };
    return {
      type: "submit",
      submission: `submission-${++this.submissions}`,
      token: `secret ${this.submissions}`,
      spec: JSON.stringify(spec),
      splits: this.splits(recordsPerSplit),
    };
  }

  private taskWorld(): ConstructorParameters<typeof ModelTasks>[1] {
    return {
      world: this.world,
      input: this.input,
      faults: this.taskFaults,
      files: this.files,
      fetch: (from, url, authorization, partition) => this.fetch(from, url, authorization, partition),
    };
  }

  private fetch(
    from: NodeId,
    url: string,
    authorization: string,
    partition: number,
  ): readonly string[] | undefined {
    const at = /^http:\/\/([^/]+)\//.exec(url)![1]!;
    const machine = this.world.machine(at);
    const { network } = this.world;
    if (!machine.running || machine.paused) return undefined;
    if (from !== at && (network.isBlocked(from, at) || network.isBlocked(at, from))) return undefined;
    const id = attemptOf(url);
    const life = this.lives.get(at);
    if (`Bearer ${life?.machine.job(id.job)?.head.token}` !== authorization) return undefined;
    if (life?.engine.holds(id) !== true) return undefined;
    return this.areas.get(at)!.outputs.get(attemptName(id))?.partitions[partition];
  }

  private isCutOff(node: NodeId): boolean {
    const { network } = this.world;
    const reached = this.ids.filter(
      (other) => other === node || (!network.isBlocked(node, other) && !network.isBlocked(other, node)),
    );
    return reached.length * 2 <= this.ids.length;
  }

  private onEnd(node: NodeId): void {
    const life = this.lives.get(node);
    this.lives.delete(node);
    life?.tasks.orphan();
    if (this.restartMs === undefined) return;
    const delayMs = this.world.random
      .split(`restart/${this.world.scheduler.steps}`)
      .exponential(this.restartMs);
    this.world.scheduler.after(delayMs, () => this.start(node));
  }
}

const WORDS = ["the", "whale", "sea", "ship", "of", "and", "white", "harpoon", "captain", "a"];

/** Texts by path: so many files of so many lines. */
export function booksOf(files: number, lines: number): Input {
  const input = new Map<string, readonly string[]>();
  for (let file = 0; file < files; file++) {
    const records: string[] = [];
    for (let line = 0; line < lines; line++) {
      const words = [`l${file}-${line}`];
      for (let word = 0; word < 4; word++)
        words.push(WORDS[(file * 7 + line * 3 + word * word) % WORDS.length]!);
      records.push(words.join(" "));
    }
    input.set(`/books/${file}.txt`, records);
  }
  return input;
}
