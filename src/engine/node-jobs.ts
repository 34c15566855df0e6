/**
 * MapReduce's part of a real node: jobs as a group of their own beside the keyspace and the namespace, a directory in which
 * attempts work, and a plane of the network on which nodes tell each other how far they are.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { members } from "../consensus/membership.ts";
import { QuorateError } from "../runtime/errors.ts";
import type { TcpNetwork } from "../runtime/node/network.ts";
import type { Network, NodeId, World } from "../runtime/world.ts";
import type { GroupDoor } from "./cluster/hosted-group.ts";
import type { Metrics } from "./cluster/metrics.ts";
import type { AttemptId, JobId } from "../mapreduce/job-spec.ts";
import { SpareTasks } from "../mapreduce/task/spare-tasks.ts";
import type { FileSystem } from "./files/file-system.ts";
import type { SchedulingSettings } from "./mapreduce/assignments.ts";
import type { JobLink } from "./mapreduce/doors.ts";
import { JobPlanner } from "./mapreduce/job-planner.ts";
import { JobService } from "./mapreduce/job-service.ts";
import type { JobsCommand } from "./mapreduce/jobs/commands.ts";
import type { JobsMachine } from "./mapreduce/jobs/machine.ts";
import { createJobs } from "./mapreduce/jobs/machine.ts";
import type { JobsReply } from "./mapreduce/jobs/replies.ts";
import { JobsEngine } from "./mapreduce/jobs-engine.ts";
import { nodeJobFiles } from "./mapreduce/node-job-files.ts";
import { NodePrograms } from "./mapreduce/node-programs.ts";
import { nodeTasks } from "./mapreduce/node-tasks.ts";
import { NodeWorkArea } from "./mapreduce/node-work-area.ts";
import { Staging } from "./mapreduce/staging.ts";
import type { FurtherGroup } from "./node-groups.ts";
import { furtherGroup } from "./node-groups.ts";
import { isLoopback } from "./protocol/loopback.ts";
import type { JobsDoor } from "./protocol/mapreduce/jobs-door.ts";
import { createJobsDoor } from "./protocol/mapreduce/jobs-door.ts";

/** The number of the jobs' group. */
export const JOBS_GROUP = 2;
/** Beside the log in a node's directory. */
export const JOBS_DIRECTORY = "jobs";
/** Beats are small, and the next one is as good. */
const BEATS_QUEUE_BYTES = 4 * 1024 * 1024;

export interface JobsOptions {
  /** Attempts at a time on this node. Default: one for each processor. */
  readonly slots?: number;
  readonly scheduling?: Partial<SchedulingSettings>;
  /** Carries beats in place of TCP (an engine inside one process). It is closed with the node. */
  readonly network?: Network;
}

export interface NodeJobsOptions {
  readonly id: NodeId;
  /** A directory that exists, or "memory". */
  readonly dataDir: string;
  readonly host: string;
  readonly jobs: JobsOptions;
}

export interface NodeJobsParts {
  readonly world: Omit<World, "disk" | "fatal">;
  readonly files: FileSystem;
  /** "host:port" of this node's HTTP server, once it is open. */
  readonly http: () => string | undefined;
  /** What clients must give at present; empty: none. */
  readonly password: () => string;
  readonly metrics: Metrics;
}

export interface RunningJobs {
  readonly door: JobsDoor;
  close(): void;
}

/** What the machine and the worker of this node tell of themselves under /metrics. */
function registerMetrics(metrics: Metrics, machine: JobsMachine, self: NodeId, slots: number): void {
  const states = ["running", "committing", "succeeded", "failed", "killed"] as const;
  metrics.gauge("quorate_jobs", "Jobs that are kept, by state.", () => {
    const counts = new Map<string, number>(states.map((state) => [state, 0]));
    for (const { head } of machine.jobs()) counts.set(head.state, (counts.get(head.state) ?? 0) + 1);
    return states.map((state) => [{ state }, counts.get(state)]);
  });
  metrics.gauge("quorate_jobs_attempts_running", "Attempts of jobs that run on this node.", () =>
    machine.countOn(self),
  );
  metrics.gauge("quorate_jobs_slots", "Attempts of jobs that this node takes at a time.", () => slots);
}

/** What runs jobs when the node's groups are there. */
export class NodeJobs {
  /** To be hosted by the node. */
  readonly group: FurtherGroup;
  private readonly options: NodeJobsOptions;
  private readonly machine = createJobs();
  private door: GroupDoor<JobsCommand, JobsReply> | undefined;

  constructor(options: NodeJobsOptions) {
    this.options = options;
    this.group = furtherGroup({ id: JOBS_GROUP, name: "jobs", machine: this.machine }, (door) => {
      this.door = door;
    });
  }

  /** Throws DATA_DIRECTORY_UNUSABLE. */
  open({ world, files, http, password, metrics }: NodeJobsParts): RunningJobs {
    const { machine, options } = this;
    const { slots = availableParallelism(), scheduling = {} } = options.jobs;
    const log = this.log();
    const nodes = (): readonly NodeId[] => members(log.status().consensus.membership);
    const isMemory = options.dataDir === "memory";
    const directory = isMemory
      ? mkdtempSync(join(tmpdir(), "quorate-jobs-"))
      : join(options.dataDir, JOBS_DIRECTORY);
    const area = new NodeWorkArea({ directory, logger: world.logger });
    const programs = new NodePrograms({ files, area });
    const spares = new SpareTasks(join(directory, "spare"));
    const refusing = (): string | undefined => refusal(options.host);
    let engine: JobsEngine | undefined;
    const fileSystem = (user: string): string => {
      const others = nodes().map((node) => engine?.beats.of(node)?.http);
      const all = [http(), ...others].filter((each) => each !== undefined);
      return `webhdfs://${encodeURIComponent(user)}@${[...new Set(all)].join(",")}`;
    };
    engine = new JobsEngine({
      machine,
      log,
      link: linkOver(world.network, options.id, nodes),
      clock: world.clock,
      logger: world.logger,
      files: nodeJobFiles(files),
      area,
      programs,
      tasks: nodeTasks(area, spares),
      slots,
      refusing: () => refusing() ?? (http() === undefined ? "the node is starting" : undefined),
      http,
      fileSystem,
      settings: scheduling,
    });
    engine.onChange(() => programs.forget((job) => machine.job(job)?.live === true));
    const staging = new Staging({
      files,
      clock: world.clock,
      logger: world.logger,
      jobs: () => machine.jobs(),
      leads: () => engine.scheduler.leads,
    });
    registerMetrics(metrics, machine, options.id, slots);
    const planner = new JobPlanner({ files, programs, directory, fileSystem });
    const superuser = (): string => files.settings().superuser;
    const service = new JobService({ engine, log, planner, refusing, superuser, nodes });
    const outputs = {
      tokenOf: (job: JobId) => machine.job(job)?.head.token,
      placeOf: (attempt: AttemptId, partition: number) =>
        engine.holds(attempt) ? area.partitionOf(attempt, partition) : undefined,
    };
    const door = createJobsDoor({ service, outputs, logOf: (attempt) => area.logOf(attempt), password });
    return {
      door,
      close() {
        engine.close();
        spares.close();
        staging.close();
        if (isMemory) rmSync(directory, { recursive: true, force: true });
      },
    };
  }

  private log(): GroupDoor<JobsCommand, JobsReply> {
    if (this.door === undefined) throw new QuorateError("INVARIANT", "the jobs have no group yet");
    return this.door;
  }
}

/** Whoever may submit a job runs code here, under the name of this process. */
function refusal(host: string): string | undefined {
  if (host === "localhost" || isLoopback(host)) return undefined;
  return `this node listens on ${host}: the code of jobs is run only by nodes that listen on loopback (127.0.0.1), until who submits it can be authenticated`;
}

function linkOver(network: Network, self: NodeId, nodes: () => readonly NodeId[]): JobLink {
  return {
    self,
    nodes: () => (nodes().includes(self) ? nodes() : [...nodes(), self]),
    send: (to, frame) => network.send(to, [frame]),
    onFrame: (receive) => network.onFrame(receive),
  };
}

export function planeOfJobs(network: TcpNetwork): TcpNetwork {
  return network.plane({ name: "jobs", queueMaxBytes: BEATS_QUEUE_BYTES });
}
