/** What is secret among the arguments of a command, replaced before the command is shown to anybody, as Redis does it. */

const REPLACED = "(redacted)";

export function redacted(name: string, args: readonly string[]): readonly string[] {
  switch (name) {
    case "auth":
      return args.map((arg, at) => (at === 0 ? arg : REPLACED));
    case "hello": {
      const auth = args.findIndex((arg, at) => at >= 2 && arg.toLowerCase() === "auth");
      return auth === -1 ? args : args.map((arg, at) => (at > auth && at <= auth + 2 ? REPLACED : arg));
    }
    case "config|set":
      return args.map((arg, at) =>
        at % 2 === 1 && args[at - 1]!.toLowerCase() === "requirepass" ? REPLACED : arg,
      );
    default:
      return args;
  }
}
