import { expect, test } from "vitest";
import { parseAclSpec, renderAclEntry } from "../../wire/webhdfs/acl-text.ts";
import { aclEntries, aclLines } from "./access.ts";

test("entries of an access control list are read as Hadoop's shell reads them", () => {
  const spec = "user::rwx,user:ann:r-x,group::---,mask::rw-,other::--x,default:group:staff:-w-";
  expect(aclEntries(spec, true).map(renderAclEntry).join(",")).toBe(spec);
  expect(aclEntries(" USER:ann:rwx , ,", true).map(renderAclEntry)).toEqual(["user:ann:rwx"]);
  expect(aclEntries("user:ann,default:group:,mask::", false)).toEqual([
    { isDefault: false, type: "user", name: "ann", permission: 0 },
    { isDefault: true, type: "group", name: "", permission: 0 },
    { isDefault: false, type: "mask", name: "", permission: 0 },
  ]);
});

test.each([
  ["default", true, "Invalid <aclSpec> : default"],
  ["nobody:x:rwx", true, "Invalid type of acl in <aclSpec> :nobody:x:rwx"],
  ["user:ann", true, "Invalid <aclSpec> : user:ann"],
  ["user:ann:rwx:x", true, "Invalid <aclSpec> : user:ann:rwx:x"],
  ["user:ann:wrx", true, "Invalid permission in <aclSpec> : user:ann:wrx"],
  ["user:ann:7", true, "Invalid permission in <aclSpec> : user:ann:7"],
  ["user:ann:rwx", false, "Invalid <aclSpec> : user:ann:rwx"],
])("%s is refused in Hadoop's words", (spec, withPermission, text) => {
  expect(() => aclEntries(spec, withPermission)).toThrow(text);
});

test("a list is printed whole: what the mode says, its mask, and what the mask leaves of each entry", () => {
  const entries = parseAclSpec(
    "user:ann:rwx,group::r-x,default:user::rwx,default:user:eve:rw-,default:group::r--,default:mask::-wx,default:other::---",
    true,
  );
  expect(aclLines({ owner: "o", group: "g", mode: 0o1741, entries })).toEqual([
    "# owner: o",
    "# group: g",
    "# flags: --t",
    "user::rwx",
    "user:ann:rwx\t#effective:r--",
    "group::r-x\t#effective:r--",
    "mask::r--",
    "other::--x",
    "default:user::rwx",
    "default:user:eve:rw-\t#effective:-w-",
    "default:group::r--\t#effective:---",
    "default:mask::-wx",
    "default:other::---",
  ]);
  expect(aclLines({ owner: "o", group: "g", mode: 0o1640, entries: [] })).toEqual([
    "# owner: o",
    "# group: g",
    "# flags: --T",
    "user::rw-",
    "group::r--",
    "other::---",
  ]);
});
