import { expect, test } from "vitest";
import { commandCount, commandDocs, commandGetKeys, commandInfo, commandList } from "./command-replies.ts";
import { CommandTable } from "./command-table.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import { MapReply, ReplyError, SetReply, Status } from "./reply.ts";

const table = new CommandTable(DATA_COMMANDS);

test("COMMAND INFO describes a command as Redis does, and answers null for one that is not there", () => {
  const access = new SetReply([new Status("RO"), new Status("access")]);
  expect(commandInfo(table, ["GET", "nope"])).toEqual([
    [
      "get",
      2,
      new SetReply([new Status("readonly"), new Status("fast")]),
      1,
      1,
      1,
      new SetReply([new Status("@read"), new Status("@string"), new Status("@fast")]),
      new SetReply([]),
      new SetReply([
        new MapReply([
          "flags",
          access,
          "begin_search",
          new MapReply(["type", "index", "spec", new MapReply(["index", 1])]),
          "find_keys",
          new MapReply(["type", "range", "spec", new MapReply(["lastkey", 0, "keystep", 1, "limit", 0])]),
        ]),
      ]),
      new SetReply([]),
    ],
    null,
  ]);
});

test("COMMAND GETKEYS finds the keys, and says why when there are none", () => {
  expect(commandGetKeys(table, ["mset", "a", "b", "c", "d"])).toEqual(["a", "c"]);
  expect(commandGetKeys(table, ["object", "encoding", "k"])).toEqual(["k"]);
  expect(commandGetKeys(table, ["nope", "k"])).toEqual(new ReplyError("ERR Invalid command specified"));
  expect(commandGetKeys(table, ["get", "k", "l"])).toEqual(
    new ReplyError("ERR Invalid number of arguments specified for command"),
  );
  expect(commandGetKeys(table, ["dbsize", "x"].slice(0, 1))).toEqual(
    new ReplyError("ERR The command has no key arguments"),
  );
});

test("COMMAND COUNT, LIST and DOCS speak of the same table", () => {
  expect(commandCount(table)).toBe(DATA_COMMANDS.length);
  expect(commandList(table, ["FILTERBY", "PATTERN", "P*EX*"])).toEqual(
    expect.arrayContaining(["psetex", "pexpire"]),
  );
  expect(commandList(table, ["filterby", "aclcat", "string"])).toContain("get");
  const [name, docs] = (commandDocs(table, ["get", "nope"]) as MapReply).items;
  expect(name).toBe("get");
  expect((docs as MapReply).items).toContain("summary");
});

test("every command has a summary of its own words, a complexity and a version", () => {
  for (const spec of table.specs) {
    for (const { name, docs } of [spec, ...(spec.subcommands ?? [])]) {
      expect(docs.summary.length, name).toBeGreaterThan(5);
      expect(docs.since, name).toMatch(/^\d+\.\d+\.\d+$/);
    }
  }
});

test("a name of JavaScript's own objects is no command", () => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    expect(table.find([name])).toBe(undefined);
  }
});
