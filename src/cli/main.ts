#!/usr/bin/env node
/**
 * cli: the program `quorate`. One file a verb, and this one, which finds the verb, checks its arguments and turns an error
 * into one line and an exit code. `verbs.ts` is the table of contents.
 */
import { ERRORS, QuorateError, isQuorateError } from "../runtime/errors.ts";
import { programHelp, verbHelp } from "./help.ts";
import { parseCall, unknown } from "./parse.ts";
import { Call } from "./verb.ts";
import { VERBS } from "./verbs.ts";
import { packageVersion } from "./version.ts";

const USAGE_EXIT = ERRORS.USAGE.exit;

async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(`${programHelp(VERBS)}\n`);
    return USAGE_EXIT;
  }
  if (name === "--help" || name === "-h" || name === "help") return print(helpFor(rest[0]));
  if (name === "--version" || name === "-v") return print(packageVersion());
  const verb = VERBS.find((candidate) => candidate.name === name);
  if (!verb) {
    const known = VERBS.filter(({ internal }) => !internal).map((each) => each.name);
    throw new QuorateError("USAGE", `${unknown("verb", name, known)} (quorate --help lists them)`);
  }
  if (verb.ownArguments && !/^(--help|-h)$/.test(rest[0] ?? "")) {
    return (await verb.load())(new Call(verb, new Map(), rest));
  }
  const end = rest.indexOf("--");
  const own = end < 0 ? rest : rest.slice(0, end);
  if (own.includes("--help") || own.includes("-h")) return print(verbHelp(verb));
  const call = parseCall(verb, rest);
  const runVerb = await verb.load();
  return runVerb(call);
}

function helpFor(name: string | undefined): string {
  if (name === undefined) return programHelp(VERBS);
  const verb = VERBS.find((candidate) => candidate.name === name && !candidate.internal);
  if (!verb)
    throw new QuorateError(
      "USAGE",
      unknown(
        "verb",
        name,
        VERBS.map((each) => each.name),
      ),
    );
  return verbHelp(verb);
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** One clear line for what the error table knows; anything else is our fault and shows where it happened. */
function report(error: unknown): number {
  if (isQuorateError(error)) {
    process.stderr.write(`quorate: ${error.message}\n`);
    return ERRORS[error.code].exit;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`quorate: unexpected error, please report it: ${detail}\n`);
  return 1;
}

// A reader that went away (quorate status | head) is no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await run(process.argv.slice(2)).catch(report);
