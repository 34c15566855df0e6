/** Extended attributes: `getfattr`, `setfattr`. */
import { QuorateError } from "../../runtime/errors.ts";
import { each } from "./attributes.ts";
import type { FsCommand } from "./command.ts";
import { onePath } from "./command.ts";

const ENCODINGS = ["text", "hex", "base64"] as const;
type Encoding = (typeof ENCODINGS)[number];

const MISSING = "<path> is missing.";
const TOO_MANY = "Too many arguments.";

export const getfattr: FsCommand = {
  name: "getfattr",
  usage: "[-R] {-n name | -d} [-e en] <path>",
  summary: "print the extended attribute of a name, or all (-d); -e text, hex or base64",
  switches: ["R", "d"],
  values: ["n", "e"],
  anywhere: true,
  min: 0,
  run(shell, args) {
    const word = args.value("e") ?? "text";
    const encoding = ENCODINGS.find((known) => known === word.toLowerCase());
    if (encoding === undefined)
      throw new QuorateError("USAGE", `Invalid/unsupported encoding option specified: ${word}`);
    const name = args.value("n");
    if (name === undefined && !args.has("d"))
      throw new QuorateError("USAGE", "Must specify '-n name' or '-d' option.");
    const names = name === undefined || args.has("d") ? undefined : [name];
    return each(
      shell,
      [onePath(args.words, MISSING, TOO_MANY)],
      args.has("R"),
      async ({ files, shown, path }) => {
        await shell.print(`# file: ${shown}`);
        const found = await files.attributes(path, names, { signal: shell.signal });
        for (const [key, value] of [...found].toSorted(([left], [right]) => (left < right ? -1 : 1)))
          await shell.print(value.length === 0 ? key : `${key}=${attributeText(value, encoding)}`);
      },
    );
  },
};

export function attributeText(value: Buffer, encoding: Encoding): string {
  switch (encoding) {
    case "text":
      return `"${value.toString("utf8")}"`;
    case "hex":
      return `0x${value.toString("hex")}`;
    case "base64":
      return `0s${value.toString("base64")}`;
  }
}

export const setfattr: FsCommand = {
  name: "setfattr",
  usage: "{-n name [-v value] | -x name} <path>",
  summary: [
    "set an extended attribute (user.NAME), or take one away (-x);",
    "a value is a text, in quotes or not, 0x and hexadecimal, or 0s and base 64",
  ].join("\n  "),
  values: ["n", "v", "x"],
  anywhere: true,
  min: 0,
  run(shell, args) {
    const [name, gone] = [args.value("n"), args.value("x")];
    if (name !== undefined && gone !== undefined)
      throw new QuorateError("USAGE", "Can not specify both '-n name' and '-x name' option.");
    if (name === undefined && gone === undefined)
      throw new QuorateError("USAGE", "Must specify '-n name' or '-x name' option.");
    const value = attributeValue(args.value("v") ?? "");
    return each(shell, [onePath(args.words, MISSING, TOO_MANY)], false, ({ files, path }) =>
      name === undefined
        ? files.removeAttribute(path, gone ?? "", { signal: shell.signal })
        : files.setAttribute(path, name, value, { signal: shell.signal }),
    );
  },
};

/** Throws FILE_OPERATION_REFUSED: Hadoop's shell fails at the first odd digit, and takes any base 64. */
export function attributeValue(text: string): Buffer {
  const quoted = /^"(.*)"$/s.exec(text)?.[1];
  if (quoted !== undefined) return Buffer.from(quoted, "utf8");
  const [prefix, rest] = [text.slice(0, 2).toLowerCase(), text.slice(2)];
  if (prefix === "0x") {
    if (!/^([\da-f]{2})*$/i.test(rest))
      throw new QuorateError("FILE_OPERATION_REFUSED", `not hexadecimal: ${text}`);
    return Buffer.from(rest, "hex");
  }
  if (prefix === "0s") {
    if (!/^[\w+/-]*={0,2}$/.test(rest))
      throw new QuorateError("FILE_OPERATION_REFUSED", `not base 64: ${text}`);
    return Buffer.from(rest, "base64");
  }
  return Buffer.from(text, "utf8");
}
