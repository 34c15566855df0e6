/** Permissions as texts: "rwx", "755", and the entries of an access control list, "default:user:carla:r-x". */
import { QuorateError } from "../../runtime/errors.ts";

/** As the namespace has it (`AclEntry`). */
export interface AclTextEntry {
  readonly isDefault: boolean;
  readonly type: "user" | "group" | "mask" | "other";
  readonly name: string;
  readonly permission: number;
}

/** "r-x" for 5. */
export function renderAction(permission: number): string {
  return `${(permission & 4) === 0 ? "-" : "r"}${(permission & 2) === 0 ? "-" : "w"}${(permission & 1) === 0 ? "-" : "x"}`;
}

/** "r-x", or in any order and without the dashes. Throws QuorateError PROTOCOL. */
export function parseAction(text: string): number {
  if (!/^[rwx-]{1,3}$/.test(text))
    throw new QuorateError("PROTOCOL", `Invalid permission: ${text.slice(0, 100)}`);
  return (text.includes("r") ? 4 : 0) | (text.includes("w") ? 2 : 0) | (text.includes("x") ? 1 : 0);
}

export function renderAclEntry({ isDefault, type, name, permission }: AclTextEntry): string {
  return `${isDefault ? "default:" : ""}${type}:${name}:${renderAction(permission)}`;
}

/** Entries behind commas. `withPermission` false: for a removal, which names entries only. Throws QuorateError PROTOCOL. */
export function parseAclSpec(spec: string, withPermission: boolean): readonly AclTextEntry[] {
  return spec
    .split(",")
    .filter((entry) => entry !== "")
    .map((entry) => parseEntry(entry, withPermission));
}

function parseEntry(entry: string, withPermission: boolean): AclTextEntry {
  const parts = entry.split(":");
  const isDefault = parts[0] === "default";
  if (isDefault) parts.shift();
  const [type, name = "", action, ...more] = parts;
  const known = type === "user" || type === "group" || type === "mask" || type === "other";
  const complete = withPermission
    ? action !== undefined && action !== ""
    : action === undefined || action === "";
  if (!known || !complete || more.length > 0) {
    throw new QuorateError("PROTOCOL", `Invalid <aclSpec>: ${entry.slice(0, 200)}`);
  }
  if ((type === "mask" || type === "other") && name !== "") {
    throw new QuorateError("PROTOCOL", `Invalid <aclSpec>: ${type} takes no name: ${entry.slice(0, 200)}`);
  }
  // Hadoop's client writes the entry of a removal with its last colon: "user:carla:".
  const permission = action === undefined || action === "" ? 0 : parseAction(action);
  return { isDefault, type, name, permission };
}
