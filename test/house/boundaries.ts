/** The doors through which `consensus/algorithms.ts` reaches each algorithm. */
const PROTOCOLS = ["consensus/raft/protocol.ts", "consensus/paxos/protocol.ts"];

/** Which room may import which: the table of docs/architecture.md as data. Longest matching folder wins. */
export const importRules: Readonly<
  Record<string, { readonly rooms: readonly string[]; readonly pure: boolean }>
> = {
  runtime: { rooms: ["runtime"], pure: true },
  "runtime/node": { rooms: ["runtime", "runtime/node"], pure: false },
  "runtime/simulated": { rooms: ["runtime", "runtime/simulated"], pure: false },
  wire: { rooms: ["runtime", "wire"], pure: true },
  // What the algorithms share names none of them, but for the table; and none knows another.
  consensus: { rooms: ["runtime", "wire", "consensus", ...PROTOCOLS], pure: true },
  "consensus/raft": { rooms: ["runtime", "wire", "consensus", "consensus/raft"], pure: true },
  "consensus/paxos": { rooms: ["runtime", "wire", "consensus", "consensus/paxos"], pure: true },
  "engine/keyspace": {
    rooms: ["runtime", "wire", "engine/keyspace", "engine/group/state-machine.ts"],
    pure: true,
  },
  "engine/files/namespace": {
    rooms: ["runtime", "wire", "engine/files/namespace", "engine/group/state-machine.ts"],
    pure: true,
  },
  "engine/files": {
    rooms: ["runtime", "wire", "engine/files", "engine/files/namespace", "engine/group", "consensus"],
    pure: false,
  },
  mapreduce: { rooms: ["runtime", "wire", "client", "client/files", "mapreduce"], pure: false },
  "engine/mapreduce/jobs": {
    rooms: ["runtime", "wire", "mapreduce", "mapreduce/task/orders.ts", "engine/mapreduce/jobs"],
    pure: true,
  },
  "engine/mapreduce": {
    rooms: [
      "runtime",
      "wire",
      "mapreduce",
      "mapreduce/task",
      // Splits are planned as any client would, over the node's own port.
      "client",
      "client/files",
      "engine/mapreduce",
      "engine/mapreduce/jobs",
      "engine/files",
      "engine/files/namespace",
      "engine/group",
    ],
    pure: false,
  },
  "engine/scripting": { rooms: ["runtime", "wire", "engine/keyspace", "engine/scripting"], pure: false },
  "engine/group": { rooms: ["runtime", "wire", "consensus", "engine/group"], pure: false },
  "engine/cluster": {
    rooms: [
      "runtime",
      "wire",
      "consensus",
      "engine/group",
      "engine/keyspace",
      "engine/scripting",
      "engine/cluster",
    ],
    pure: false,
  },
  "engine/protocol": {
    rooms: [
      "runtime",
      "runtime/node/socket-reads.ts",
      "runtime/node/request-connection.ts",
      "wire",
      "consensus",
      "engine/keyspace",
      "engine/cluster",
      "engine/files",
      "engine/files/namespace",
      "engine/mapreduce",
      "engine/mapreduce/jobs",
      "mapreduce",
      "engine/protocol",
    ],
    pure: false,
  },
  engine: {
    rooms: ["runtime", "runtime/node", "wire", "consensus", "mapreduce", "mapreduce/task", "engine"],
    pure: false,
  },
  simulation: {
    rooms: ["runtime", "runtime/simulated", "wire", "consensus", "engine", "simulation"],
    pure: false,
  },
  bench: { rooms: ["bench", "consensus/algorithm-names.ts", "index.ts"], pure: false },
  "bench/inside": { rooms: ["runtime", "wire", "engine"], pure: false },
  client: { rooms: ["runtime", "wire", "client"], pure: false },
  "client/files": { rooms: ["runtime", "wire", "client/files"], pure: false },
  "client/mapreduce": {
    // What a job takes along is stored as files.
    rooms: ["runtime", "wire", "client", "client/files", "client/mapreduce", "mapreduce"],
    pure: false,
  },
  "mapreduce/task": {
    rooms: [
      "runtime",
      "wire",
      "client",
      "client/files",
      "mapreduce",
      "mapreduce/task",
      "mapreduce/streaming",
    ],
    pure: false,
  },
  "mapreduce/streaming": {
    rooms: [
      "runtime",
      "wire",
      "client",
      "client/files",
      "mapreduce",
      "mapreduce/task",
      "mapreduce/streaming",
    ],
    pure: false,
  },
  "mapreduce/hadoop": {
    rooms: [
      "runtime",
      "wire",
      "client",
      "client/files",
      "mapreduce",
      "mapreduce/task",
      "mapreduce/streaming",
      "mapreduce/hadoop",
    ],
    pure: false,
  },
  "mapreduce/local": {
    rooms: ["runtime", "wire", "client", "client/files", "mapreduce", "mapreduce/task", "mapreduce/local"],
    pure: false,
  },
  cli: {
    rooms: [
      "runtime",
      "runtime/node",
      "wire",
      "consensus/algorithm-names.ts",
      "engine",
      "simulation",
      "client",
      "client/files",
      "client/mapreduce",
      "mapreduce",
      "mapreduce/task",
      "mapreduce/streaming",
      "mapreduce/local",
      "mapreduce/hadoop",
      "cli",
    ],
    pure: false,
  },
};

const IMPORT =
  /^\s*(?:import|export)\b[^"']*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** Every import of `file` that the table forbids, as "file -> target". `locate` resolves a relative path. */
export function violationsOf(
  file: string,
  source: string,
  locate: (from: string, path: string) => string,
): readonly string[] {
  const room = roomOf(file);
  if (room === undefined) return [];
  const rule = importRules[room];
  const found: string[] = [];
  for (const match of source.matchAll(IMPORT)) {
    const path = match[1] ?? match[2] ?? match[3] ?? "";
    if (!path.startsWith(".")) {
      if (rule?.pure === true) found.push(`${file} -> ${path}`);
      continue;
    }
    const target = locate(file, path);
    if (!mayImport(rule?.rooms ?? [], target)) found.push(`${file} -> ${target}`);
  }
  return found;
}

function mayImport(rooms: readonly string[], target: string): boolean {
  const targetRoom = roomOf(target);
  return rooms.some(
    (room) =>
      target === `src/${room}` ||
      targetRoom === room ||
      (room === "engine" && targetRoom?.startsWith("engine/") === true),
  );
}

function roomOf(file: string): string | undefined {
  const inside = file.replace(/^src\//, "");
  return Object.keys(importRules)
    .filter((room) => inside.startsWith(`${room}/`))
    .sort((left, right) => right.length - left.length)[0];
}
