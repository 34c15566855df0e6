/** Every verb of the command line. A verb's code is imported only when it is called, so that `--help` is instant. */
import type { Flag, Verb } from "./verb.ts";

const CLIENT_FLAGS: readonly Flag[] = [
  { name: "url", value: "URL", help: "any node of the cluster; default redis://127.0.0.1:6379" },
  { name: "password", value: "PASSWORD", environment: "QUORATE_PASSWORD", help: "the cluster's password" },
];

export const VERBS: readonly Verb[] = [
  {
    name: "status",
    summary: "show nodes, roles, terms and lag of a running cluster",
    usage: ["status [--url redis://host:port] [--json]"],
    flags: [...CLIENT_FLAGS, { name: "json", help: "the same for scripts" }],
    positionals: { min: 0, max: 0 },
    load: async () => (await import("./status.ts")).status,
  },
];
