/** Access control lists: `getfacl`, `setfacl`. */
import type { Acl, AclChange, AclEntry } from "../../client/files/attributes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { renderAction, renderAclEntry } from "../../wire/webhdfs/acl-text.ts";
import { each } from "./attributes.ts";
import type { Arguments, FsCommand } from "./command.ts";
import { onePath } from "./command.ts";

const OTHERS_RUN = 1;

export const getfacl: FsCommand = {
  name: "getfacl",
  usage: "[-R] <path>",
  summary: "print the access control list of a path, and its default one",
  switches: ["R"],
  min: 0,
  run(shell, args) {
    return each(
      shell,
      [onePath(args.words, "<path> is missing", "Too many arguments")],
      args.has("R"),
      async ({ files, shown, path, stats }) => {
        const { owner, group, mode } = stats;
        // Of files of this machine lists are not read: there is what their mode says.
        const acl =
          files === shell.local
            ? { owner, group, mode, entries: [] }
            : files.acl(path, { signal: shell.signal });
        const lines = aclLines(await acl);
        for (const line of [`# file: ${shown}`, ...lines, ""]) await shell.print(line);
      },
    );
  },
};

/** As Hadoop's shell prints it, below the path: owners, the list with what the mode says, what the mask leaves of an entry. */
export function aclLines({ owner, group, mode, entries }: Acl): readonly string[] {
  const [ofOwner, ofGroup, ofOthers] = [(mode >> 6) & 7, (mode >> 3) & 7, mode & 7];
  const access = entries.filter(({ isDefault }) => !isDefault);
  const entry = (type: AclEntry["type"], permission: number): AclEntry => ({
    isDefault: false,
    type,
    name: "",
    permission,
  });
  const middle = access.length === 0 ? [entry("group", ofGroup)] : [...access, entry("mask", ofGroup)];
  const flags = (mode & 0o1000) === 0 ? [] : [`# flags: --${(mode & OTHERS_RUN) === 0 ? "T" : "t"}`];
  return [
    `# owner: ${owner}`,
    `# group: ${group}`,
    ...flags,
    ...listLines([entry("user", ofOwner), ...middle, entry("other", ofOthers)]),
    ...listLines(entries.filter(({ isDefault }) => isDefault)),
  ];
}

function listLines(list: readonly AclEntry[]): readonly string[] {
  const mask = list.find(({ type }) => type === "mask")?.permission ?? 7;
  return list.map((entry) => {
    const isMasked = entry.name !== "" || entry.type === "group";
    const left = entry.permission & mask;
    const text = renderAclEntry(entry);
    return isMasked && left !== entry.permission ? `${text}\t#effective:${renderAction(left)}` : text;
  });
}

export const setfacl: FsCommand = {
  name: "setfacl",
  usage: "[-R] [{-b|-k} {-m|-x <acl_spec>} <path>]|[--set <acl_spec> <path>]",
  summary: [
    "change access control lists: -m entries, -x takes entries away, --set the whole list, -k takes away the default list,",
    "-b all but owner, group and others; an entry is [default:]user|group|mask|other:[NAME]:[rwx], several with commas",
  ].join("\n  "),
  switches: ["R", "b", "k", "m", "x", "-set"],
  min: 0,
  run(shell, args) {
    const { change, path: word } = wantedChange(args);
    return each(shell, [word], args.has("R"), async ({ files, path, stats }) => {
      // Below a directory, files have no default list to change.
      const fitting = args.has("R") && !stats.isDirectory() ? ofAccess(change) : change;
      if (fitting !== undefined) await files.changeAcl(path, fitting, { signal: shell.signal });
    });
  },
};

const CHANGES = { "-set": "replace", m: "modify", x: "remove" } as const;

/** The words and their checks are Hadoop's. Throws USAGE. */
function wantedChange(args: Arguments): { readonly change: AclChange; readonly path: string } {
  const given = (["b", "k", "m", "x", "-set"] as const).filter((option) => args.has(option));
  const [option] = given;
  if (given.length > 1)
    throw new QuorateError("USAGE", "Specified flags contains both remove and modify flags");
  if (option === undefined || option === "b" || option === "k") {
    const path = onePath(args.words, "<path> is missing", "Too many arguments");
    if (option === undefined)
      throw new QuorateError("USAGE", "Expected one of -b, -k, -m, -x or --set options");
    return { change: { type: option === "b" ? "removeAll" : "removeDefault" }, path };
  }
  const [spec, ...rest] = args.words;
  if (spec === undefined || rest.length === 0)
    throw new QuorateError("USAGE", "Missing either <acl_spec> or <path>");
  const entries = aclEntries(spec, option !== "x");
  if (entries.length === 0) throw new QuorateError("USAGE", "Missing <acl_spec> entry");
  return {
    change: { type: CHANGES[option], entries },
    path: onePath(rest, "<path> is missing", "Too many arguments"),
  };
}

function ofAccess(change: AclChange): AclChange | undefined {
  if (!("entries" in change)) return change.type === "removeDefault" ? undefined : change;
  if (typeof change.entries === "string") return change;
  const entries = change.entries.filter(({ isDefault }) => !isDefault);
  return entries.length === 0 ? undefined : { type: change.type, entries };
}

/** "user:ann:rwx,default:group:staff:r-x"; of a removal without permissions. Throws USAGE as Hadoop's shell says it. */
export function aclEntries(spec: string, withPermission: boolean): readonly AclEntry[] {
  return spec
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => aclEntry(text, withPermission));
}

function aclEntry(text: string, withPermission: boolean): AclEntry {
  const refuse = (why: string): never => {
    throw new QuorateError("USAGE", why);
  };
  // What is empty at the end is not there, as where Java cuts a text.
  const parts = text.replace(/:+$/, "").split(":");
  const isDefault = parts[0] === "default";
  if (isDefault) parts.shift();
  const [word, name = "", action, ...more] = parts;
  if (word === undefined) return refuse(`Invalid <aclSpec> : ${text}`);
  const type = (["user", "group", "mask", "other"] as const).find((each) => each === word.toLowerCase());
  if (type === undefined) return refuse(`Invalid type of acl in <aclSpec> :${text}`);
  if (more.length > 0 || (action !== undefined) !== withPermission)
    return refuse(`Invalid <aclSpec> : ${text}`);
  if (action === undefined) return { isDefault, type, name, permission: 0 };
  if (!/^[r-][w-][x-]$/.test(action)) return refuse(`Invalid permission in <aclSpec> : ${text}`);
  const permission =
    (action.includes("r") ? 4 : 0) | (action.includes("w") ? 2 : 0) | (action.includes("x") ? 1 : 0);
  return { isDefault, type, name, permission };
}
