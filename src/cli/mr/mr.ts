/** `quorate mr`: jobs. A table of its commands, each with flags and help of its own; their code is loaded when they are called. */
import { QuorateError } from "../../runtime/errors.ts";
import { verbHelp } from "../help.ts";
import { parseCall, unknown } from "../parse.ts";
import { formatTable } from "../style.ts";
import type { Call, Flag, Verb } from "../verb.ts";
import { takeRepeated } from "./repeated.ts";
import type { Repeated } from "./run.ts";

interface MrCommand extends Omit<Verb, "load" | "ownArguments"> {
  /** Flags that may be given again, among its flags. */
  readonly repeats: readonly string[];
  readonly load: () => Promise<(call: Call, repeated: Repeated) => Promise<number>>;
}

const FS_FLAG: Flag = {
  name: "fs",
  value: "URL",
  environment: "QUORATE_FS",
  help: "any node of the cluster; default webhdfs://localhost:9870",
};
const WHO_FLAGS: readonly Flag[] = [
  {
    name: "user",
    value: "NAME",
    environment: "HADOOP_USER_NAME",
    help: "who asks, and for whom a job reads and writes",
  },
  { name: "password", value: "PASSWORD", environment: "QUORATE_PASSWORD", help: "the cluster's password" },
];
const CLUSTER_FLAGS: readonly Flag[] = [FS_FLAG, ...WHO_FLAGS];
const JSON_FLAG: Flag = { name: "json", help: "for programs: lines of JSON" };

const RUN: MrCommand = {
  name: "mr run",
  summary: "run a typed job: one module whose default export is job({ … })",
  usage: [
    "mr run JOB.ts --input PATH [--input PATH …] --output PATH        on a cluster",
    "mr run JOB.ts --input PATH --output PATH --local",
    "mr run JOB.ts --input PATH --dry-run        splits, bytes, partitions and skew, and nothing done",
    "mr run JOB.ts --input PATH --output PATH --on hadoop        on a real Hadoop, paths are Hadoop's",
  ],
  repeats: ["input", "file", "define"],
  flags: [
    {
      name: "input",
      value: "PATH",
      help: "files, directories, globs; again for more. Of several inputs: 0=PATH, 1=PATH",
    },
    { name: "output", value: "PATH", help: "a directory that does not exist yet" },
    { name: "local", help: "on this machine, with no cluster, on files of this machine" },
    {
      name: "on",
      value: "hadoop",
      choices: ["hadoop"],
      help: "through Hadoop Streaming, the bundled job as its executables",
    },
    {
      name: "hadoop",
      value: "COMMAND",
      environment: "QUORATE_HADOOP",
      help: "what runs Hadoop Streaming; default by $HADOOP_HOME",
    },
    { name: "hadoop-node", value: "PATH", help: "Node.js on Hadoop's machines; default node" },
    { name: "reduces", value: "N", help: "reduce tasks; default 1" },
    { name: "define", value: "NAME=VALUE", help: "a property of the job (or -D NAME=VALUE); again for more" },
    { name: "file", value: "FILE[#LINK]", help: "a file for the directory of every task; again for more" },
    { name: "name", value: "NAME", help: "what the job is called; default by its module" },
    { name: "memory", value: "MIB", help: "of one task; default 256" },
    { name: "split-size", value: "MIB", help: "of one map's input; default the files' block size" },
    { name: "attempts", value: "N", help: "of one task, before the job fails; default 4" },
    { name: "timeout", value: "SECONDS", help: "of silence, after which an attempt is ended; default 600" },
    {
      name: "compress",
      value: "none|gzip",
      choices: ["none", "gzip"],
      help: "what passes between maps and reduces",
    },
    {
      name: "skip-records",
      value: "N",
      help: "records of a task that may be left out because the program fails on them; default 0",
    },
    { name: "no-backup", help: "no second attempts at slow tasks" },
    {
      name: "slots",
      value: "N",
      help: "with --local: tasks at a time; default as many as there are processors",
    },
    {
      ...FS_FLAG,
      help: `${FS_FLAG.help}; with --on hadoop, where a total order is sampled: webhdfs://host:port, file:///`,
    },
    ...WHO_FLAGS,
    { name: "background", help: "submit, print the job's name, and do not wait" },
    { name: "dry-run", help: "tell what would be done" },
    JSON_FLAG,
  ],
  positionals: { min: 1, max: 1 },
  surplus: "say --input once for each path, or put a pattern in quotes",
  load: async () => (await import("./run.ts")).run,
};

const NO_REPEATS = { repeats: [] } as const;
const ONE_JOB = { min: 1, max: 1 } as const;
const LIMIT: Flag = { name: "limit", value: "N", help: "at most so many; default 100" };

const COMMANDS: readonly MrCommand[] = [
  RUN,
  {
    ...NO_REPEATS,
    name: "mr ls",
    summary: "the jobs of a cluster, newest first",
    usage: ["mr ls [--state running,failed] [--limit 100]"],
    flags: [
      { name: "state", value: "LIST", help: "running, committing, succeeded, failed, killed" },
      LIMIT,
      ...CLUSTER_FLAGS,
      JSON_FLAG,
    ],
    positionals: { min: 0, max: 0 },
    load: async () => (await import("./listing.ts")).ls,
  },
  {
    ...NO_REPEATS,
    name: "mr show",
    summary: "one job: how far it is, and what it waits for",
    usage: ["mr show JOB [--tasks] [--follow]"],
    flags: [
      { name: "tasks", help: "every attempt at every task" },
      { name: "follow", help: "until its end, as when it was started" },
      ...CLUSTER_FLAGS,
      JSON_FLAG,
    ],
    positionals: ONE_JOB,
    load: async () => (await import("./show.ts")).show,
  },
  {
    ...NO_REPEATS,
    name: "mr logs",
    summary: "what attempts wrote to standard output and error",
    usage: ["mr logs JOB [ATTEMPT]", "mr logs JOB --all"],
    flags: [{ name: "all", help: "not only those of attempts that failed" }, ...CLUSTER_FLAGS],
    positionals: { min: 1, max: 2 },
    load: async () => (await import("./listing.ts")).logs,
  },
  {
    ...NO_REPEATS,
    name: "mr kill",
    summary: "end a job; nothing of its output is left",
    usage: ["mr kill JOB [--reason TEXT]"],
    flags: [
      { name: "reason", value: "TEXT", help: "for who looks at it later" },
      ...CLUSTER_FLAGS,
      JSON_FLAG,
    ],
    positionals: ONE_JOB,
    load: async () => (await import("./listing.ts")).kill,
  },
  {
    ...NO_REPEATS,
    name: "mr history",
    summary: "jobs that have ended",
    usage: ["mr history [--limit 100]"],
    flags: [LIMIT, ...CLUSTER_FLAGS, JSON_FLAG],
    positionals: { min: 0, max: 0 },
    load: async () => (await import("./listing.ts")).history,
  },
];

export async function mr(call: Call): Promise<number> {
  const [word, ...rest] = call.positionals;
  const name = word?.replace(/^-+/, "");
  if (name === undefined) throw new QuorateError("USAGE", `a command is missing\n${overview()}`);
  if (name === "help" || name === "h") return print(helpFor(rest[0]));
  // Its words are Hadoop's, and so are its rules.
  if (name === "streaming") return (await import("./streaming.ts")).streaming(rest);
  const command = commandOf(name);
  const end = rest.indexOf("--");
  const own = end < 0 ? rest : rest.slice(0, end);
  if (own.includes("--help") || own.includes("-h")) return print(helpFor(name));
  const { given, rest: others } = takeRepeated(rest, command.repeats);
  const flags = command.flags.filter((flag) => !command.repeats.includes(flag.name));
  const parsed = parseCall({ ...command, flags, load: unreachable }, others);
  const runCommand = await command.load();
  return runCommand(parsed, given);
}

function unreachable(): never {
  throw new QuorateError("INVARIANT", "a command of mr is no verb");
}

function commandOf(name: string): MrCommand {
  const found = COMMANDS.find((command) => command.name === `mr ${name}`);
  if (found !== undefined) return found;
  const known = [...COMMANDS.map((command) => command.name.slice(3)), "streaming"];
  throw new QuorateError("USAGE", `${unknown("command", name, known)} (quorate mr help lists them)`);
}

function helpFor(name: string | undefined): string {
  if (name === undefined) return overview();
  return verbHelp({ ...commandOf(name), load: unreachable });
}

function overview(): string {
  const rows = [
    ...COMMANDS.map(({ name, summary }) => [`  quorate ${name}`, summary]),
    ["  quorate mr streaming", "run executables as maps and reduces, with the words of Hadoop Streaming"],
  ];
  return [
    formatTable(rows),
    "",
    "quorate mr COMMAND --help tells more; docs/mapreduce.md is the tutorial.",
  ].join("\n");
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
