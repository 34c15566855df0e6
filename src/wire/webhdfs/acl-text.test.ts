import { expect, test } from "vitest";
import { parseAclSpec, parseAction, renderAclEntry, renderAction } from "./acl-text.ts";

test("entries of an access control list are read and written as HDFS does", () => {
  const spec = "user::rwx,user:carla:rw-,group::r-x,mask::rwx,other::---,default:group:sales:r--";
  expect(parseAclSpec(spec, true).map(renderAclEntry).join(",")).toBe(spec);
  expect(parseAclSpec("user:carla,default:mask:,group:sales:,other::", false)).toEqual([
    { isDefault: false, type: "user", name: "carla", permission: 0 },
    { isDefault: true, type: "mask", name: "", permission: 0 },
    { isDefault: false, type: "group", name: "sales", permission: 0 },
    { isDefault: false, type: "other", name: "", permission: 0 },
  ]);
});

test("permissions are read in both directions", () => {
  for (let permission = 0; permission < 8; permission++) {
    expect(parseAction(renderAction(permission))).toBe(permission);
  }
  expect(parseAction("x")).toBe(1);
  expect(() => parseAction("rwz")).toThrow(/Invalid permission/);
});

test.each(["user", "nobody:x:rwx", "user:a:b:c:d", "mask:m:rwx", "user:a:rwz", "user:a:"])(
  "%s is refused",
  (spec) => {
    expect(() => parseAclSpec(spec, true)).toThrow(/Invalid/);
  },
);
