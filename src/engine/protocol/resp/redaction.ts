/** What is secret among the arguments of a command, replaced before the command is shown to anybody, as Redis does it. */

const REPLACED = "(redacted)";

export function redacted(name: string, args: readonly string[]): readonly string[] {
  switch (name) {
    case "auth":
      return args.map((arg, at) => (at === 0 ? arg : REPLACED));
    case "hello": {
      const secret = secretsOfHello(args);
      return args.map((arg, at) => (secret.has(at) ? REPLACED : arg));
    }
    case "config|set":
      return args.map((arg, at) =>
        at % 2 === 1 && args[at - 1]!.toLowerCase() === "requirepass" ? REPLACED : arg,
      );
    default:
      return args;
  }
}

/** Places of what follows each AUTH. Of options that HELLO refuses, whatever comes behind a word that may be AUTH. */
function secretsOfHello(args: readonly string[]): ReadonlySet<number> {
  const secret = new Set<number>();
  let at = 2;
  while (at < args.length) {
    const option = args[at]!.toLowerCase();
    if (option === "auth" && at + 2 < args.length) {
      secret.add(at + 1).add(at + 2);
      at += 3;
    } else if (option === "setname" && at + 1 < args.length) {
      at += 2;
    } else {
      break;
    }
  }
  if (at >= args.length && /^\d+$/.test(args[1] ?? "0")) return secret;
  const first = args.findIndex((arg, place) => place > 0 && arg.toLowerCase() === "auth");
  if (first !== -1) for (let place = first + 1; place < args.length; place += 1) secret.add(place);
  return secret;
}
