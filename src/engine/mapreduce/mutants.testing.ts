/**
 * Deliberate mistakes between the engine and what it works with. A search that does not find them would not find the next one
 * either.
 */
import type { JobFileSystem, JobsLog } from "./doors.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import type { Planted } from "./jobs-cluster.testing.ts";
import type { ModelFiles } from "./model-files.testing.ts";

export interface Mutant {
  readonly mistake: string;
  /** Seeds within which the search must find it. */
  readonly foundWithin: number;
  /** One that found it, to be tried first. */
  readonly known: number;
  readonly planted: Planted;
}

/** The machine does something more, or something else, with a command. */
function onApply(
  change: (
    machine: JobsMachine,
    command: JobsCommand,
    apply: () => ReturnType<JobsMachine["apply"]>,
  ) => ReturnType<JobsMachine["apply"]>,
): Planted {
  return {
    machine(machine) {
      const apply = machine.apply.bind(machine);
      machine.apply = (command, at) => change(machine, command, () => apply(command, at));
    },
  };
}

/** Commands that never come to be: undefined stands for one that is dropped. */
function onPropose(change: (command: JobsCommand) => JobsCommand | undefined): Planted {
  return {
    log: (log: JobsLog): JobsLog => ({
      ...log,
      propose(command, encoded, done) {
        if (change(command) === command) return log.propose(command, encoded, done);
        // It believes that it was done.
        log.barrier((error) => done(error === undefined ? 0 : undefined, error));
      },
    }),
  };
}

function onFiles(change: (files: JobFileSystem, model: ModelFiles) => Partial<JobFileSystem>): Planted {
  return { files: (files, model) => ({ ...files, ...change(files, model) }) };
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  "count-losers": {
    mistake: "Counters of attempts that finished and did not win are added too.",
    foundWithin: 100,
    known: 23,
    planted: onApply((machine, command, apply) => {
      const reply = apply();
      if (command.type === "finished" && reply === false) {
        const job: Job | undefined = machine.job(command.attempt.job);
        for (const { group, name, value } of command.counters) {
          if (job?.knowsCounter(`${group}\0${name}`) === true)
            job.totals[job.placeOf(`${group}\0${name}`)]! += value;
        }
      }
      return reply;
    }),
  },
  "publish-a-loser": {
    mistake: "The files of a task's first attempt are published, whoever won.",
    foundWithin: 100,
    known: 0,
    planted: onFiles((files) => ({
      publish: (user, expected, moves, done) =>
        files.publish(
          user,
          expected,
          moves.map(({ from, to }) => ({ from: from.replace(/(attempt_\w+)_\d+\//, "$1_0/"), to })),
          done,
        ),
    })),
  },
  "forget-lost-outputs": {
    mistake: "Map outputs that are gone are not made again.",
    foundWithin: 100,
    known: 1,
    planted: onPropose((command) =>
      command.type === "lost" || command.type === "complain" ? undefined : command,
    ),
  },
  "commit-again": {
    mistake: "A leader that finds the output published takes it for another's, and gives the job up.",
    foundWithin: 200,
    known: 33,
    planted: onFiles((files) => ({
      look: (path, done) =>
        path.endsWith("/_SUCCESS") && !path.includes("/_temporary")
          ? files.look(path, (error) => done(error, undefined))
          : files.look(path, done),
    })),
  },
  "publish-one-by-one": {
    mistake: "Files are moved into the output one after the other.",
    foundWithin: 20,
    known: 0,
    planted: onFiles((files) => ({
      publish(user, expected, moves, done) {
        const next = (at: number): void => {
          if (at === moves.length) return done(undefined);
          files.publish(user, at === 0 ? expected : [], [moves[at]!], (error) => {
            if (error === undefined) next(at + 1);
            else done(error);
          });
        };
        next(0);
      },
    })),
  },
  "zombies-make-directories": {
    mistake: "An attempt makes its directory with those above it, whether its job is over or not.",
    foundWithin: 200,
    known: 57,
    planted: onFiles((_, model) => ({
      makeDirectory(user, path, done) {
        model.at("n1", (run) => run()).touch(user, `${path}/made`, (error) => done(error));
      },
    })),
  },
  "leave-the-staging": {
    mistake: "What came too late is not swept away.",
    foundWithin: 200,
    known: 17,
    planted: onFiles((files) => {
      const removed = new Set<string>();
      return {
        remove(path, recursive, done) {
          // As if each job were cleaned up once and for all.
          const again = removed.has(path);
          removed.add(path);
          if (again && /\/_temporary-job_\d+_\d+$/.test(path)) return files.look("/", (error) => done(error));
          files.remove(path, recursive, done);
        },
      };
    }),
  },
  "keep-orphans": {
    mistake: "Attempts of an earlier life of a worker, or of a dead one, count as running for ever.",
    foundWithin: 50,
    known: 1,
    planted: onPropose((command) => (command.type === "lost" ? undefined : command)),
  },
  "never-make-room": {
    mistake: "Reduces that wait for a map keep all the room that it needs.",
    foundWithin: 400,
    known: 287,
    planted: onPropose((command) => (command.type === "preempt" ? undefined : command)),
  },
};
