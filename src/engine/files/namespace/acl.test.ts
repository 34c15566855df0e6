import { expect, test } from "vitest";
import { parseAclSpec, renderAclEntry } from "../../../wire/webhdfs/acl-text.ts";
import { ANN, BOB, ROOT, Trial } from "./namespace.testing.ts";

function shown(trial: Trial, path: string): string {
  const { mode, entries } = trial.machine.acl(path, ROOT);
  return [(mode & 0o777).toString(8), ...entries.map(renderAclEntry)].join(" ");
}

const list = (spec: string) => parseAclSpec(spec, true);

test("an extended list gives named users and groups what its mask lets through", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "", mode: 0o640 });
  expect(trial.denied((machine) => machine.checkAccess("/f", ANN, 4))).toBe("ACCESS_DENIED");
  trial.do("setAcl", { path: "/f", change: "modify", entries: list("user:ann:rw-,group:sales:r--") });
  expect(shown(trial, "/f")).toBe("660 user:ann:rw- group::r-- group:sales:r--");
  expect(trial.denied((machine) => machine.checkAccess("/f", ANN, 6))).toBeUndefined();
  expect(trial.denied((machine) => machine.checkAccess("/f", BOB, 4))).toBeUndefined();
  expect(trial.denied((machine) => machine.checkAccess("/f", BOB, 2))).toBe("ACCESS_DENIED");
  trial.do("setMode", { path: "/f", mode: 0o604 });
  expect(
    trial.denied((machine) => machine.checkAccess("/f", ANN, 4)),
    "the middle bits are the mask",
  ).toBe("ACCESS_DENIED");
  expect(
    trial.denied((machine) => machine.checkAccess("/f", BOB, 4)),
    "a group that matches is no other",
  ).toBe("ACCESS_DENIED");
  trial.do("setAcl", { path: "/f", change: "modify", entries: list("mask::rwx") });
  expect(trial.denied((machine) => machine.checkAccess("/f", ANN, 6))).toBeUndefined();
  trial.restored();
  trial.do("setAcl", { path: "/f", change: "remove", entries: parseAclSpec("user:ann", false) });
  expect(shown(trial, "/f")).toBe("644 group::r-- group:sales:r--");
  trial.do("setAcl", { path: "/f", change: "removeAll", entries: [] });
  expect(shown(trial, "/f")).toBe("644");
  expect(trial.machine.status("/f", ROOT).hasAcl).toBe(false);
});

test("a default list is inherited: by files as their access list, by directories as both", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/d", mode: 0o750 });
  trial.do("setAcl", { path: "/d", change: "modify", entries: list("default:user:ann:rwx") });
  expect(shown(trial, "/d")).toBe(
    "750 default:user::rwx default:user:ann:rwx default:group::r-x default:mask::rwx default:other::---",
  );
  trial.do("put", { path: "/d/f", content: "", mode: 0o644, unmaskedMode: 0o666 });
  expect(shown(trial, "/d/f")).toBe("660 user:ann:rwx group::r-x");
  trial.do("mkdir", { path: "/d/e", mode: 0o755, unmaskedMode: 0o777 });
  expect(shown(trial, "/d/e")).toMatch(
    /^770 user:ann:rwx group::r-x default:user::rwx default:user:ann:rwx /,
  );
  trial.do("setAcl", { path: "/d", change: "removeDefault", entries: [] });
  expect(shown(trial, "/d")).toBe("750");
  trial.restored();
});

test("lists that make no sense are refused", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "" });
  const change = (kind: "replace" | "modify" | "remove", entries: string): void =>
    void trial.refused("ACL_INVALID", "setAcl", { path: "/f", change: kind, entries: list(entries) });
  change("replace", "user:ann:rwx");
  change("modify", "default:user:ann:rwx");
  change("modify", "user:ann:rwx,user:ann:r--");
  change("remove", "user::rwx");
  change("modify", Array.from({ length: 40 }, (_, n) => `user:u${n}:rwx`).join(","));
  trial.refused("ACCESS_DENIED", "setAcl", { path: "/f", caller: ANN, change: "removeAll", entries: [] });
  trial.do("setAcl", {
    path: "/f",
    change: "replace",
    entries: list("user::rw-,group::r--,other::---,user:ann:r--"),
  });
  expect(shown(trial, "/f")).toBe("640 user:ann:r-- group::r--");
});
