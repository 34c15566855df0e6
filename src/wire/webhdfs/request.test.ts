import fc from "fast-check";
import { expect, test } from "vitest";
import type { ErrorCode } from "../../runtime/errors.ts";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { Operation, OperationName } from "./operations.ts";
import { OPERATIONS } from "./operations.ts";
import { parseError, renderError } from "./remote-exception.ts";
import { parseRequest, renderRequest } from "./request.ts";

const open = { offset: 0, length: undefined, noredirect: false, excludedatanodes: [], data: false };

test("requests as the clients of Hadoop, Python, Rust and npm write them are understood", () => {
  const java = parseRequest("GET", "/webhdfs/v1/a%20b/%C3%BC?op=OPEN&user.name=ann&offset=7&buffersize=4096");
  expect(java).toMatchObject({ path: "/a b/ü", user: "ann" });
  expect(java.operation).toEqual({ ...open, op: "OPEN", offset: 7, buffersize: 4096 });
  const npm = parseRequest("PUT", "/webhdfs/v1/x?op=create&overwrite=true&permission=0755");
  expect(npm.operation).toMatchObject({
    op: "CREATE",
    overwrite: true,
    permission: 0o755,
    createparent: true,
  });
  const python = parseRequest("DELETE", "/webhdfs/v1/x?recursive=True&op=DELETE&user.name=dr.who");
  expect(python.operation).toEqual({ op: "DELETE", recursive: true });
  const rust = parseRequest("PUT", "/webhdfs/v1/x?op=CREATE&noredirect=true&blocksize=");
  expect(rust.operation).toMatchObject({ noredirect: true, blocksize: undefined });
  const retry = parseRequest("GET", "/webhdfs/v1/x?op=OPEN&excludedatanodes=n1:9870,n2:9870");
  expect(retry.operation).toMatchObject({ excludedatanodes: ["n1:9870", "n2:9870"] });
  const xattrs = parseRequest(
    "GET",
    "/webhdfs/v1/x?op=GETXATTRS&xattr.name=user.a&xattr.name=user.b&encoding=HEX",
  );
  expect(xattrs.operation).toEqual({ op: "GETXATTRS", "xattr.name": ["user.a", "user.b"], encoding: "hex" });
  expect(parseRequest("GET", "/webhdfs/v1?op=GETSTATUS").path).toBe("/");
  expect(parseRequest("GET", "/webhdfs/v1/?op=LISTSTATUS_BATCH&startAfter=a%2Bb").operation).toEqual({
    op: "LISTSTATUS_BATCH",
    startAfter: "a+b",
  });
  expect(parseRequest("GET", "/webhdfs/v1/a+b?op=GETFILESTATUS").path).toBe("/a+b");
});

test("a quota that Hadoop's client leaves as it is, it sends as the greatest number of Java", () => {
  const target = "/webhdfs/v1/x?op=SETQUOTA&namespacequota=5&storagespacequota=9223372036854775807";
  expect(parseRequest("PUT", target).operation).toEqual({
    op: "SETQUOTA",
    namespacequota: 5,
    storagespacequota: undefined,
  });
});

test("any place in a file that Java can name is understood: behind what a file can have, all are one", () => {
  const places: readonly (readonly [OperationName, string])[] = [
    ["OPEN", "offset"],
    ["OPEN", "length"],
    ["GETFILEBLOCKLOCATIONS", "offset"],
    ["GETFILEBLOCKLOCATIONS", "length"],
    ["GET_BLOCK_LOCATIONS", "offset"],
    ["GET_BLOCK_LOCATIONS", "length"],
    ["TRUNCATE", "newlength"],
  ];
  const greatest = BigInt(Number.MAX_SAFE_INTEGER);
  const numbers = fc.oneof(
    fc.bigInt(0n, 2n ** 63n - 1n),
    fc.constantFrom(0n, greatest - 1n, greatest, greatest + 1n, 2n ** 63n - 1n),
  );
  fc.assert(
    fc.property(fc.constantFrom(...places), numbers, ([op, name], number) => {
      const parse = (value: bigint): Operation => {
        const { method } = OPERATIONS[op];
        return parseRequest(method, `/webhdfs/v1/x?op=${op}&${name}=${value}`).operation;
      };
      const operation = parse(number);
      const understood = Number(number < greatest ? number : greatest);
      expect(operation).toHaveProperty(name, understood);
      const { method, target } = renderRequest("/x", operation);
      expect(parseRequest(method, target).operation).toEqual(operation);
      expect(() => parse(number + 2n ** 63n)).toThrow(`"${name}": not a whole number`);
    }),
  );
});

test("what cannot be meant is refused, and the text names the parameter", () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ["GET", "/webhdfs/v1/x?op=GETFILEBLOCKLOCATION", /parameter "op": .*GETFILEBLOCKLOCATION/],
    ["GET", "/webhdfs/v1/x", /^op=NULL is not supported$/],
    ["GET", "/webhdfs/v1/x?op=constructor", /parameter "op"/],
    ["GET", "/webhdfs/v2/x?op=OPEN", /not a path of WebHDFS/],
    ["GET", "/webhdfs/v1x?op=OPEN", /not a path of WebHDFS/],
    ["GET", "/webhdfs/v1/%FF?op=OPEN", /percent-encoded/],
    ["GET", "/webhdfs/v1/x?op=OPEN&offset=-1", /"offset": less than 0/],
    ["GET", "/webhdfs/v1/x?op=OPEN&offset=1e3", /"offset": not a whole number/],
    ["GET", "/webhdfs/v1/x?op=OPEN&offset=9223372036854775808", /"offset": not a whole number/],
    ["GET", "/webhdfs/v1/x?op=OPEN&length=9223372036854775808", /"length": not a whole number/],
    ["GET", "/webhdfs/v1/x?op=OPEN&length=-9007199254740991", /"length": less than 0/],
    ["POST", "/webhdfs/v1/x?op=TRUNCATE&newlength=9223372036854775808", /"newlength": not a whole/],
    ["PUT", "/webhdfs/v1/x?op=CREATE&blocksize=9007199254740993", /"blocksize": not a whole number/],
    ["PUT", "/webhdfs/v1/x?op=MKDIRS&permission=788", /"permission": not octal/],
    ["PUT", "/webhdfs/v1/x?op=CREATE&overwrite=yes", /"overwrite": neither true nor false/],
    ["PUT", "/webhdfs/v1/x?op=RENAME", /"destination": it is required/],
    ["PUT", "/webhdfs/v1/x?op=RENAME&destination=/y&renameoptions=BAD", /"renameoptions": not one of/],
    ["PUT", "/webhdfs/v1/x?op=SETXATTR&xattr.name=user.a&flag=CREATE,X", /"flag": not one of/],
    ["PUT", "/webhdfs/v1/x?op=SETQUOTA&namespacequota=9223372036854775806", /"namespacequota": not a whole/],
    ["POST", "/webhdfs/v1/x?op=OPEN", /parameter "op": OPEN is not a valid POST operation\.$/],
  ];
  for (const [method, target, message] of refused) {
    expect(() => parseRequest(method, target), target).toThrow(message);
  }
});

test("any target is parsed or refused with an error of the table", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(OPERATIONS)), fc.string(), fc.string(), (op, path, query) => {
      try {
        parseRequest(OPERATIONS[op as OperationName].method, `/webhdfs/v1/${path}?op=${op}&${query}`);
      } catch (error) {
        expect(isQuorateError(error)).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

test("an operation that was rendered is parsed to itself, whatever its path", () => {
  const operations: readonly Operation[] = [
    { op: "OPEN", ...open, offset: 3, length: 9, buffersize: undefined },
    { op: "GETFILEBLOCKLOCATIONS", offset: 1, length: Number.MAX_SAFE_INTEGER },
    { op: "GETFILESTATUS" },
    { op: "LISTSTATUS_BATCH", startAfter: "ä&b=c" },
    { op: "RENAME", destination: "/to/here", renameoptions: ["OVERWRITE"] },
    { op: "SETTIMES", modificationtime: 5, accesstime: -1 },
    { op: "SETXATTR", "xattr.name": "user.a", "xattr.value": "0x31", flag: ["CREATE", "REPLACE"] },
    { op: "SETQUOTA", namespacequota: -1, storagespacequota: undefined },
    { op: "CONCAT", sources: ["/a", "/b"] },
    { op: "MKDIRS", permission: 0o1777, unmaskedpermission: undefined },
  ];
  const path = fc.array(
    fc.string({ unit: "grapheme", minLength: 1 }).map((name) => name.replaceAll("/", "-")),
  );
  fc.assert(
    fc.property(fc.constantFrom(...operations), path, (operation, names) => {
      const { method, target } = renderRequest(`/${names.join("/")}`, operation, [["user.name", "a b"]]);
      const parsed = parseRequest(method, target);
      expect(parsed.operation).toEqual(operation);
      expect(parsed.path).toBe(`/${names.join("/")}`);
      expect(parsed.user).toBe("a b");
    }),
  );
});

test("what HDFS has an exception of its own for is called as there", () => {
  const named: readonly (readonly [ErrorCode, string, string, number])[] = [
    ["ARGUMENT_INVALID", "Specified block size is less than configured…: 1 < 2", "IOException", 403],
    ["ARGUMENT_INVALID", "Requested replication factor of 9 is not from 1 to 3", "IOException", 403],
    ["ARGUMENT_INVALID", "Cannot truncate to a larger file…", "IllegalArgumentException", 400],
    ["ARGUMENT_INVALID", "Cannot truncate to a larger file size. …", "HadoopIllegalArgumentException", 400],
    ["ARGUMENT_INVALID", "An XAttr name must be prefixed with …", "HadoopIllegalArgumentException", 400],
    ["PATH_INVALID", '".snapshot" is a reserved name: /a', "HadoopIllegalArgumentException", 400],
    ["PATH_INVALID", 'File name ".reserved" is reserved and …', "HadoopIllegalArgumentException", 400],
    ["PATH_INVALID", "Invalid path name: not absolute: a", "IllegalArgumentException", 400],
    ["PATH_INVALID", "Invalid path name: /a/../b", "InvalidPathException", 400],
    ["PARENT_NOT_DIRECTORY", "/f is not a directory", "PathIsNotDirectoryException", 403],
    ["PARENT_NOT_DIRECTORY", "/f (is not a directory)", "ParentNotDirectoryException", 403],
    ["ATTRIBUTE_REFUSED", "At least one of the attributes …", "XAttrNotFoundException", 403],
  ];
  for (const [code, text, exception, status] of named) {
    const rendered = renderError(new QuorateError(code, text));
    expect(rendered.status, text).toBe(status);
    expect(rendered.body.RemoteException.exception, text).toBe(exception);
    expect(rendered.body.RemoteException.javaClassName.endsWith(`.${exception}`)).toBe(true);
    // The header says the code; also without it what it is stays clear where the exception can tell.
    expect(parseError(rendered.body, code)?.code).toBe(code);
  }
});

test("an error keeps its code over the wire, or at least its exception", () => {
  const codes = [
    "PATH_NOT_FOUND",
    "ACCESS_DENIED",
    "PATH_EXISTS",
    "SAFE_MODE",
    "NAME_QUOTA_EXCEEDED",
  ] as const;
  for (const code of codes) {
    const { body } = renderError(new QuorateError(code, "why"));
    expect(parseError(body)).toMatchObject({ code, message: "why" });
  }
  const missing = renderError(new QuorateError("PATH_NOT_FOUND", "File does not exist: /x"));
  expect(missing).toEqual({
    status: 404,
    body: {
      RemoteException: {
        exception: "FileNotFoundException",
        javaClassName: "java.io.FileNotFoundException",
        message: "File does not exist: /x",
      },
    },
  });
  expect(parseError({ RemoteException: { exception: "OddException", message: "m" } })).toMatchObject({
    code: "FILE_OPERATION_REFUSED",
  });
  expect(parseError("nonsense")).toBeUndefined();
  expect(parseError(null)).toBeUndefined();
});
