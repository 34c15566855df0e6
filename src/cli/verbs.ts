/** Every verb of the command line. A verb's code is imported only when it is called, so that `--help` is instant. */
import { ALGORITHMS, DEFAULT_ALGORITHM } from "../consensus/algorithm-names.ts";
import type { Flag, Verb } from "./verb.ts";

const CLIENT_FLAGS: readonly Flag[] = [
  { name: "url", value: "URL", help: "any node of the cluster; default redis://127.0.0.1:6379" },
  { name: "password", value: "PASSWORD", environment: "QUORATE_PASSWORD", help: "the cluster's password" },
];

const CONSENSUS_FLAG = { name: "consensus", value: ALGORITHMS.join("|"), choices: ALGORITHMS } as const;

const NODE_FLAGS: readonly Flag[] = [
  {
    name: "host",
    value: "HOST",
    help: "the address to listen on; 0.0.0.0: every one, and clients are told the host of the peer address; default 127.0.0.1",
  },
  { name: "port", value: "PORT", help: "RESP port of the first node, further nodes count up; default 6379" },
  { name: "http-port", value: "PORT", help: "HTTP port of the first node; default 9870" },
  { name: "peer-port", value: "PORT", help: "port for the other nodes; default 16379" },
  { name: "data", value: "DIR", help: "where data is kept; default ./quorate-data" },
  {
    ...CONSENSUS_FLAG,
    help: `what keeps the log; default what the directory was founded with, or ${DEFAULT_ALGORITHM}`,
  },
  {
    name: "durability",
    value: "always|everysec|memory",
    choices: ["always", "everysec", "memory"],
    help: "when a write is acknowledged: on a majority's disks (default), in their memory, or without files",
  },
  {
    name: "read-mode",
    value: "barrier|lease",
    choices: ["barrier", "lease"],
    help: "how a read is kept linearizable: a round per read (default) or the leader's lease",
  },
  {
    name: "password",
    value: "PASSWORD",
    environment: "QUORATE_PASSWORD",
    help: "clients must give it (AUTH)",
  },
  {
    name: "protected-mode",
    value: "yes|no",
    choices: ["yes", "no"],
    help: "refuse clients of other machines: over RESP without a password, for files always (default yes)",
  },
  {
    name: "browser-names",
    value: "NAME,…",
    help: "names by which browsers may reach the HTTP port, beside addresses, localhost, this machine's and the cluster's",
  },
  {
    name: "advertise-host",
    value: "HOST",
    help: "the host that clients are told; default --host, or where the other nodes reach the node when that is a wildcard",
  },
  {
    name: "rack",
    value: "PATH",
    help: "where the node is, such as /dc1/rack2; replicas are spread over racks",
  },
  {
    name: "cache-writes",
    help: "keep large files in the system's memory as they are written: faster to read soon after, slower to write",
  },
  {
    name: "scrub-rate",
    value: "BYTES",
    help: "bytes a second of its blocks that each node reads to find damage, such as 16m; 0: none; default 4m",
  },
  {
    name: "slots",
    value: "N",
    help: "attempts of jobs at a time on each node; default: the processors, shared by this machine's nodes",
  },
  { name: "secret", value: "SECRET", environment: "QUORATE_SECRET", help: "nodes must share it to join" },
  {
    name: "log-level",
    value: "debug|info|warn|error",
    choices: ["debug", "info", "warn", "error"],
    help: "what the nodes log to standard error; default warn",
  },
];

export const VERBS: readonly Verb[] = [
  {
    name: "start",
    summary: "start one node or a supervised local cluster",
    usage: [
      "start [--nodes 3] [--data DIR]",
      "start --name n1 --cluster n1=host:port,n2=host:port,n3=host:port",
      "start --name n4 --join redis://host:port [--host HOST]",
    ],
    flags: [
      {
        name: "nodes",
        value: "COUNT",
        help: "nodes on this machine, 1 to 255; an even number survives no more failures than one less; default 1",
      },
      { name: "name", value: "NAME", help: "this machine's node of a cluster over several machines" },
      { name: "cluster", value: "LIST", help: "all its founding nodes: name=host:peerPort,…" },
      {
        name: "join",
        value: "URL",
        help: "any node of the cluster that this new node, or one that lost its disk, waits to be admitted to",
      },
      {
        name: "peer-address",
        value: "HOST:PORT",
        help: "with --join: where the other nodes reach this one; default --host and --peer-port",
      },
      ...NODE_FLAGS,
      { name: "no-restart", help: "do not start a node again that died" },
    ],
    positionals: { min: 0, max: 0 },
    load: async () => (await import("./start.ts")).start,
  },
  {
    name: "status",
    summary: "show nodes, roles, terms and lag of a running cluster",
    usage: ["status [--url redis://host:port] [--json]"],
    flags: [...CLIENT_FLAGS, { name: "json", help: "the same for scripts" }],
    positionals: { min: 0, max: 0 },
    load: async () => (await import("./status.ts")).status,
  },
  {
    name: "members",
    summary: "list the members of a cluster; add, remove or replace one",
    usage: [
      "members [--url redis://host:port] [--json]",
      "members add NODE        a node that was started with --join learns, then votes",
      "members remove NODE     majorities are counted without it from then on",
      "members replace NODE    it lost its disk and came back with a new data directory",
      "members --force-new-cluster --name NODE --data DIR    a majority is lost for good: may lose writes",
    ],
    flags: [
      ...CLIENT_FLAGS,
      { name: "json", help: "the list, or the outcome, for scripts" },
      {
        name: "force-new-cluster",
        help: "make one stopped node a cluster of its own, with what its directory holds",
      },
      { name: "name", value: "NAME", help: "with --force-new-cluster: the node" },
      { name: "data", value: "DIR", help: "with --force-new-cluster: its --data" },
      { name: "accept-loss", help: "with --force-new-cluster: acknowledged writes may be lost" },
    ],
    positionals: { min: 0, max: 2 },
    load: async () => (await import("./members.ts")).members,
  },
  {
    name: "fs",
    summary: "files of a cluster, or of any other WebHDFS server (HDFS), with the words of hdfs dfs",
    usage: [
      "fs [--fs webhdfs://host:port] [--user NAME] COMMAND ...",
      "fs help [COMMAND]     lists the commands: ls put get cat cp mv rm mkdir du df stat fsck report and more",
      "fs put ./books /books    fs ls -R -h /books    fs get /books/a.txt -    fs rm -r /books",
    ],
    flags: [
      {
        name: "fs",
        value: "URL",
        environment: "QUORATE_FS",
        help: "default webhdfs://localhost:9870; more nodes behind commas: host:port,host:port",
      },
      { name: "user", value: "NAME", environment: "HADOOP_USER_NAME", help: "who asks; default: you" },
    ],
    positionals: { min: 1, max: Infinity },
    ownArguments: true,
    load: async () => (await import("./fs/fs.ts")).fs,
  },
  {
    name: "mr",
    summary: "MapReduce jobs: typed ones and any executables, on a cluster, on this machine or on Hadoop",
    usage: [
      "mr run JOB.ts --input PATH… --output PATH [--local]",
      "mr streaming -input PATH -output PATH -mapper CMD -reducer CMD [--local]",
      "mr ls | show JOB | logs JOB | kill JOB | history",
      "mr help [COMMAND]",
    ],
    flags: [],
    positionals: { min: 1, max: Infinity },
    ownArguments: true,
    load: async () => (await import("./mr/mr.ts")).mr,
  },
  {
    name: "tour",
    summary: "the guided main job: three nodes, real work, a killed leader, everything verified",
    usage: ["tour [PATH] [--keep]"],
    flags: [
      { name: "keep", help: "leave the cluster running and print how to talk to it" },
      { name: "data", value: "DIR", help: "an empty directory for the nodes; default a temporary one" },
      { ...CONSENSUS_FLAG, help: `what keeps the log; default ${DEFAULT_ALGORITHM}` },
    ],
    positionals: { min: 0, max: 1 },
    load: async () => (await import("./tour.ts")).tour,
  },
  {
    name: "simulate",
    summary: "run simulated clusters under every fault at once, or one seed again",
    usage: [
      "simulate [--minutes 1] [--seed N --seeds 100]",
      "simulate --seed N [--trace]",
      "simulate --files [--minutes 1] [--seed N --seeds 100] [--trace]",
      "simulate --mutants [--seeds 100]",
      "simulate --experiment election-under-loss|slow-disk|catch-up|timeouts [--seeds 20] [--json]",
      "simulate --check HISTORY.json",
    ],
    flags: [
      {
        name: "files",
        help: "clusters that serve files, whatever befalls their nodes, disks and links; the seed draws coding and log",
      },
      {
        name: "seed",
        value: "N",
        help: "this seed, the same to the last step; with --minutes or --seeds the first of many",
      },
      { name: "minutes", value: "M", help: "how long to run; ends at the first failure; default 1" },
      {
        ...CONSENSUS_FLAG,
        help: `only this algorithm; default every seed with each, and one --seed with ${DEFAULT_ALGORITHM}`,
      },
      { name: "nodes", value: "COUNT", help: "1 to 7 nodes; default drawn by the seed" },
      {
        name: "storage",
        value: "disk|model",
        choices: ["disk", "model"],
        help: "the write-ahead log on a simulated disk (default), or a model of it",
      },
      { name: "mutant", value: "NAME", help: "plant a deliberate bug" },
      { name: "mutants", help: "plant each deliberate bug in turn and print how soon it is found" },
      {
        name: "seeds",
        value: "COUNT",
        help: "how many seeds; for each mutant, default as many as it is allowed; for each setting, default 20",
      },
      {
        name: "experiment",
        value: "NAME",
        help: "measure how long something takes, in virtual time: the same on every machine",
      },
      { name: "json", help: "with --experiment: the readings for scripts" },
      { name: "trace", help: "print every event" },
      { name: "check", value: "FILE", help: "judge a recorded history for linearizability" },
    ],
    positionals: { min: 0, max: 0 },
    load: async () => (await import("./simulate.ts")).simulateCommand,
  },
  {
    name: "node",
    summary: "one node process, started by the supervisor",
    usage: ["node NAME"],
    flags: [],
    positionals: { min: 1, max: 1 },
    internal: true,
    load: async () => (await import("./node-process.ts")).nodeProcess,
  },
];
