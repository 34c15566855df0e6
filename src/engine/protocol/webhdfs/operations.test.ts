import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operation, OperationName } from "../../../wire/webhdfs/operations.ts";
import { OPERATIONS } from "../../../wire/webhdfs/operations.ts";
import { renderRequest } from "../../../wire/webhdfs/request.ts";
import type { Served } from "./served.testing.ts";
import { serveMemory } from "./served.testing.ts";

let served: Served;
let base = "";
beforeAll(async () => {
  served = await serveMemory({
    nodes: 2,
    settings: { blockSize: 512, replication: 2 },
    now: () => 1_700_000_000_000,
  });
  base = `http://${served.addresses[0] ?? ""}`;
});
afterAll(() => served.close());

async function send(target: string, method: string, body?: string): Promise<Response> {
  return fetch(target, {
    method,
    redirect: "manual",
    ...(body === undefined || method === "GET" ? {} : { body }),
  });
}

/** The status, and the body: JSON, or its length. */
async function ask(path: string, operation: Operation, body?: string): Promise<readonly [number, unknown]> {
  const { method, target } = renderRequest(path, operation, [["user.name", "quorate"]]);
  let response = await send(`${base}${target}`, method);
  if (response.status === 307) response = await send(response.headers.get("location") ?? "", method, body);
  const text = await response.text();
  return [response.status, text === "" ? undefined : (JSON.parse(text) as unknown)];
}

const ok = [200, undefined] as const;
const yes = [200, { boolean: true }] as const;
const redirected = { noredirect: false, excludedatanodes: [], data: false, buffersize: undefined } as const;
const created = {
  ...redirected,
  overwrite: false,
  permission: undefined,
  unmaskedpermission: undefined,
  blocksize: undefined,
  replication: undefined,
  createflag: undefined,
  createparent: true,
} as const;
const fileStatus = {
  accessTime: 1_700_000_000_000,
  blockSize: 512,
  childrenNum: 0,
  fileId: expect.any(Number) as unknown,
  group: "supergroup",
  length: 1024,
  modificationTime: 1_700_000_000_000,
  owner: "quorate",
  pathSuffix: "",
  permission: "644",
  replication: 2,
  storagePolicy: 0,
  type: "FILE",
};
const refused = (javaClassName: string): readonly [number, unknown] => [
  400,
  {
    RemoteException: {
      exception: javaClassName.slice(javaClassName.lastIndexOf(".") + 1),
      javaClassName,
      message: expect.any(String) as unknown,
    },
  },
];
const unsupported = refused("java.lang.UnsupportedOperationException");
const invalid = refused("java.lang.IllegalArgumentException");
const notFound: readonly [number, unknown] = [
  404,
  {
    RemoteException: {
      exception: "FileNotFoundException",
      javaClassName: "java.io.FileNotFoundException",
      message: "Path is not a file: /d",
    },
  },
];
const alreadyThere = {
  exception: "FileAlreadyExistsException",
  javaClassName: "org.apache.hadoop.fs.FileAlreadyExistsException",
  message: "Cannot append to directory /d; already exists as a directory.",
};
const stickyAcl = {
  entries: [],
  group: "supergroup",
  owner: "quorate",
  permission: "1777",
  stickyBit: true,
};
const any = expect.anything() as unknown;

/** In this order, on one file system: what is asked of which path, and the whole answer. */
function steps(): readonly (readonly [
  path: string,
  operation: Operation,
  answer: readonly [number, unknown],
  body?: string,
])[] {
  const host = "127.0.0.1";
  const names = [...served.addresses];
  return [
    ["/d", { op: "MKDIRS", permission: 0o775, unmaskedpermission: undefined }, yes],
    ["/d/f", { op: "CREATE", ...created }, [201, undefined], `{"a":"${"x".repeat(1000)}"}`],
    ["/d/f", { op: "APPEND", ...redirected }, ok, " ".repeat(16)],
    ["/d/f", { op: "OPEN", offset: 0, length: undefined, ...redirected }, [200, { a: "x".repeat(1000) }]],
    ["/d/f", { op: "GETFILESTATUS" }, [200, { FileStatus: fileStatus }]],
    ["/d/l", { op: "CREATESYMLINK", destination: "f", createParent: false }, ok],
    [
      "/d/l",
      { op: "GETFILELINKSTATUS" },
      [
        200,
        {
          FileStatus: {
            ...fileStatus,
            type: "SYMLINK",
            symlink: "f",
            length: 1,
            permission: "777",
            blockSize: 0,
            replication: 0,
          },
        },
      ],
    ],
    ["/d/l", { op: "GETLINKTARGET" }, [200, { Path: "f" }]],
    ["/d/l", { op: "DELETE", recursive: false }, yes],
    ["/d/l", { op: "DELETE", recursive: false }, [200, { boolean: false }]],
    [
      "/d",
      { op: "LISTSTATUS" },
      [200, { FileStatuses: { FileStatus: [{ ...fileStatus, pathSuffix: "f" }] } }],
    ],
    [
      "/d",
      { op: "LISTSTATUS_BATCH", startAfter: undefined },
      [
        200,
        {
          DirectoryListing: {
            partialListing: { FileStatuses: { FileStatus: [{ ...fileStatus, pathSuffix: "f" }] } },
            remainingEntries: 0,
          },
        },
      ],
    ],
    [
      "/d",
      { op: "GETCONTENTSUMMARY" },
      [
        200,
        {
          ContentSummary: {
            directoryCount: 1,
            ecPolicy: "",
            fileCount: 1,
            length: 1024,
            quota: -1,
            snapshotDirectoryCount: 0,
            snapshotFileCount: 0,
            snapshotLength: 0,
            snapshotSpaceConsumed: 0,
            spaceConsumed: 2048,
            spaceQuota: -1,
            typeQuota: {},
          },
        },
      ],
    ],
    ["/d", { op: "SETQUOTA", namespacequota: 10, storagespacequota: undefined }, ok],
    [
      "/d",
      { op: "GETQUOTAUSAGE" },
      [
        200,
        {
          QuotaUsage: {
            fileAndDirectoryCount: 2,
            quota: 10,
            spaceConsumed: 2048,
            spaceQuota: -1,
            typeQuota: {},
          },
        },
      ],
    ],
    [
      "/d/f",
      { op: "GETFILECHECKSUM", noredirect: false, excludedatanodes: [] },
      [
        200,
        {
          FileChecksum: {
            algorithm: "MD5-of-1MD5-of-512CRC32C",
            bytes: expect.stringMatching(/^00000200000000000000000[1][\da-f]{32}$/) as unknown,
            length: 28,
          },
        },
      ],
    ],
    ["/", { op: "GETHOMEDIRECTORY" }, [200, { Path: "/user/quorate" }]],
    ["/", { op: "GETTRASHROOT" }, [200, { Path: "/user/quorate/.Trash" }]],
    ["/user/quorate/.Trash", { op: "MKDIRS", permission: 0o700, unmaskedpermission: undefined }, yes],
    [
      "/",
      { op: "GETTRASHROOTS", allusers: true },
      [
        200,
        {
          Paths: [
            expect.objectContaining({ pathSuffix: "/user/quorate/.Trash", permission: "700" }) as unknown,
          ],
        },
      ],
    ],
    [
      "/",
      { op: "GETDELEGATIONTOKEN", renewer: undefined, service: undefined, kind: undefined },
      [200, { Token: null }],
    ],
    ["/", { op: "RENEWDELEGATIONTOKEN", token: "x" }, unsupported],
    ["/", { op: "CANCELDELEGATIONTOKEN", token: "x" }, unsupported],
    ["/d", { op: "MODIFYACLENTRIES", aclspec: "user:carla:rw-,default:group:sales:r--" }, ok],
    [
      "/d",
      { op: "GETACLSTATUS" },
      [
        200,
        {
          AclStatus: {
            entries: ["user:carla:rw-", "group::rwx", "default:group:sales:r--"],
            group: "supergroup",
            owner: "quorate",
            permission: "775",
            stickyBit: false,
          },
        },
      ],
    ],
    ["/d", { op: "REMOVEDEFAULTACL" }, ok],
    ["/d", { op: "REMOVEACLENTRIES", aclspec: "user:carla" }, ok],
    ["/d", { op: "SETACL", aclspec: "user::rwx,group::r-x,other::---,user:bob:r--" }, ok],
    ["/d", { op: "REMOVEACL" }, ok],
    ["/d/f", { op: "SETXATTR", "xattr.name": "user.a", "xattr.value": "0x31ff", flag: ["CREATE"] }, ok],
    [
      "/d/f",
      { op: "SETXATTR", "xattr.name": "user.b", "xattr.value": "text", flag: ["CREATE", "REPLACE"] },
      ok,
    ],
    [
      "/d/f",
      { op: "GETXATTRS", "xattr.name": ["user.a"], encoding: "hex" },
      [200, { XAttrs: [{ name: "user.a", value: "0x31ff" }] }],
    ],
    [
      "/d/f",
      { op: "GETXATTRS", "xattr.name": ["user.b"], encoding: "base64" },
      [200, { XAttrs: [{ name: "user.b", value: "0sdGV4dA==" }] }],
    ],
    ["/d/f", { op: "LISTXATTRS" }, [200, { XAttrNames: '["user.a","user.b"]' }]],
    ["/d/f", { op: "REMOVEXATTR", "xattr.name": "user.b" }, ok],
    ["/d/f", { op: "CHECKACCESS", fsaction: "rw-" }, ok],
    [
      "/",
      { op: "GETSERVERDEFAULTS" },
      [
        200,
        {
          FsServerDefaults: {
            blockSize: 512,
            bytesPerChecksum: 512,
            writePacketSize: 65_536,
            replication: 2,
            fileBufferSize: 4096,
            encryptDataTransfer: false,
            trashInterval: 0,
            checksumType: 2,
            keyProviderUri: "",
            defaultStoragePolicyId: 7,
          },
        },
      ],
    ],
    [
      "/",
      { op: "GETSTATUS" },
      [200, { FsStatus: { used: 20 * 2 ** 30, remaining: 180 * 2 ** 30, capacity: 200 * 2 ** 30 } }],
    ],
    [
      "/d/f",
      { op: "GETFILEBLOCKLOCATIONS", offset: 600, length: 10 },
      [
        200,
        {
          BlockLocations: {
            BlockLocation: [
              {
                cachedHosts: [],
                corrupt: false,
                hosts: [host, host],
                length: 512,
                names,
                offset: 512,
                storageTypes: ["DISK", "DISK"],
                topologyPaths: names.map((name) => `/default-rack/${name}`),
              },
            ],
          },
        },
      ],
    ],
    [
      "/d/f",
      { op: "GET_BLOCK_LOCATIONS", offset: 0, length: undefined },
      [
        200,
        {
          LocatedBlocks: {
            fileLength: 1024,
            isUnderConstruction: false,
            isLastBlockComplete: true,
            locatedBlocks: [any, any],
            lastLocatedBlock: expect.objectContaining({
              startOffset: 512,
              isCorrupt: false,
              blockToken: { urlString: any },
              cachedLocations: [],
            }) as unknown,
          },
        },
      ],
    ],
    [
      "/",
      { op: "GETALLSTORAGEPOLICY" },
      [
        200,
        {
          BlockStoragePolicies: {
            BlockStoragePolicy: expect.arrayContaining([
              expect.objectContaining({ id: 7, name: "HOT" }),
            ]) as unknown,
          },
        },
      ],
    ],
    ["/d", { op: "SETSTORAGEPOLICY", storagepolicy: "cold" }, ok],
    [
      "/d",
      { op: "GETSTORAGEPOLICY" },
      [
        200,
        {
          BlockStoragePolicy: expect.objectContaining({
            id: 2,
            name: "COLD",
            storageTypes: ["ARCHIVE"],
          }) as unknown,
        },
      ],
    ],
    ["/d", { op: "UNSETSTORAGEPOLICY" }, ok],
    ["/d", { op: "SATISFYSTORAGEPOLICY" }, unsupported],
    ["/d", { op: "SETQUOTABYSTORAGETYPE", storagetype: "SSD", storagespacequota: 1 }, unsupported],
    ["/d", { op: "GETECPOLICY" }, [200, null]],
    ["/d", { op: "SETECPOLICY", ecpolicy: "RS-6-3-1024k" }, ok],
    [
      "/d",
      { op: "GETECPOLICY" },
      [
        200,
        {
          name: "RS-6-3-1024k",
          schema: { codecName: "rs", numDataUnits: 6, numParityUnits: 3, extraOptions: {} },
          cellSize: 1048576,
          id: 1,
          codecName: "rs",
          numDataUnits: 6,
          numParityUnits: 3,
          replicationPolicy: false,
          systemPolicy: true,
        },
      ],
    ],
    ["/d", { op: "SETECPOLICY", ecpolicy: "RS-10-4-1024k" }, invalid],
    [
      "/",
      { op: "GETECPOLICIES" },
      [
        200,
        {
          ErasureCodingPolicies: {
            ErasureCodingPolicyInfo: [
              { state: "DISABLED", policy: expect.objectContaining({ name: "RS-10-4-1024k" }) as unknown },
              { state: "ENABLED", policy: expect.objectContaining({ name: "RS-3-2-1024k" }) as unknown },
              { state: "ENABLED", policy: expect.objectContaining({ name: "RS-6-3-1024k" }) as unknown },
              {
                state: "DISABLED",
                policy: expect.objectContaining({ name: "RS-LEGACY-6-3-1024k" }) as unknown,
              },
              { state: "DISABLED", policy: expect.objectContaining({ name: "XOR-2-1-1024k" }) as unknown },
            ],
          },
        },
      ],
    ],
    ["/", { op: "GETECCODECS" }, [200, { ErasureCodingCodecs: { rs: "rs_simd, rs_table" } }]],
    ["/d", { op: "UNSETECPOLICY" }, ok],
    [
      "/d",
      { op: "UNSETECPOLICY" },
      [
        403,
        {
          RemoteException: {
            exception: "NoECPolicySetException",
            javaClassName: "org.apache.hadoop.hdfs.protocol.NoECPolicySetException",
            message: "No erasure coding policy explicitly set on /d",
          },
        },
      ],
    ],
    ["/", { op: "ENABLEECPOLICY", ecpolicy: "RS-6-3-1024k" }, ok],
    ["/", { op: "ENABLEECPOLICY", ecpolicy: "XOR-2-1-1024k" }, unsupported],
    ["/", { op: "ENABLEECPOLICY", ecpolicy: "RS-9" }, invalid],
    ["/", { op: "DISABLEECPOLICY", ecpolicy: "RS-6-3-1024k" }, unsupported],
    ["/d", { op: "ALLOWSNAPSHOT" }, ok],
    ["/d", { op: "CREATESNAPSHOT", snapshotname: "s1" }, [200, { Path: "/d/.snapshot/s1" }]],
    ["/d/f", { op: "SETPERMISSION", permission: 0o600 }, ok],
    ["/d/f", { op: "SETOWNER", owner: "ann", group: "staff" }, ok],
    ["/d/f", { op: "SETTIMES", modificationtime: 5, accesstime: -1 }, ok],
    ["/d/f", { op: "SETREPLICATION", replication: 1 }, yes],
    ["/d", { op: "SETREPLICATION", replication: 1 }, [200, { boolean: false }]],
    ["/d/none", { op: "SETREPLICATION", replication: 1 }, [200, { boolean: false }]],
    ["/d", { op: "OPEN", offset: 0, length: undefined, ...redirected }, notFound],
    ["/d", { op: "GETFILECHECKSUM", noredirect: false, excludedatanodes: [] }, notFound],
    ["/d", { op: "APPEND", ...redirected }, [403, { RemoteException: alreadyThere }], "x"],
    ["/d/sticky", { op: "MKDIRS", permission: 0o1777, unmaskedpermission: undefined }, yes],
    ["/d/sticky", { op: "GETACLSTATUS" }, [200, { AclStatus: stickyAcl }]],
    ["/d/sticky", { op: "DELETE", recursive: false }, yes],
    ["/d/f", { op: "TRUNCATE", newlength: 1000 }, yes],
    ["/d/f", { op: "RENAME", destination: "/d/g", renameoptions: [] }, yes],
    ["/d/none", { op: "RENAME", destination: "/d/h", renameoptions: [] }, [200, { boolean: false }]],
    ["/d/h", { op: "CREATE", ...created }, [201, undefined], "{}"],
    ["/d/g", { op: "RENAME", destination: "/d/h", renameoptions: ["OVERWRITE"] }, yes],
    ["/d/i", { op: "CREATE", ...created }, [201, undefined], "x"],
    ["/d/h", { op: "CONCAT", sources: ["/d/i"] }, ok],
    ["/d", { op: "CREATESNAPSHOT", snapshotname: "s2" }, [200, { Path: "/d/.snapshot/s2" }]],
    [
      "/d",
      { op: "GETSNAPSHOTDIFF", oldsnapshotname: "s1", snapshotname: "s2" },
      [
        200,
        {
          SnapshotDiffReport: {
            diffList: [
              { sourcePath: "", type: "MODIFY" },
              { sourcePath: "f", targetPath: "h", type: "RENAME" },
              { sourcePath: "f", type: "MODIFY" },
            ],
            fromSnapshot: "s1",
            snapshotRoot: "/d",
            toSnapshot: "s2",
          },
        },
      ],
    ],
    [
      "/d",
      {
        op: "GETSNAPSHOTDIFFLISTING",
        oldsnapshotname: "s1",
        snapshotname: "s2",
        snapshotdiffstartpath: undefined,
        snapshotdiffindex: -1,
      },
      [
        200,
        {
          SnapshotDiffReportListing: {
            createList: [expect.objectContaining({ sourcePath: "h", isReference: true })],
            deleteList: [expect.objectContaining({ sourcePath: "f", targetPath: "h" })],
            modifyList: [any, any],
            isFromEarlier: true,
            lastIndex: -1,
            lastPath: "",
          },
        },
      ],
    ],
    ["/d", { op: "RENAMESNAPSHOT", oldsnapshotname: "s2", snapshotname: "s3" }, ok],
    [
      "/",
      { op: "GETSNAPSHOTTABLEDIRECTORYLIST" },
      [
        200,
        {
          SnapshottableDirectoryList: [
            {
              dirStatus: expect.objectContaining({ pathSuffix: "d", snapshotEnabled: true }) as unknown,
              parentFullPath: "/",
              snapshotNumber: 2,
              snapshotQuota: 65_536,
            },
          ],
        },
      ],
    ],
    [
      "/d",
      { op: "GETSNAPSHOTLIST" },
      [
        200,
        {
          SnapshotList: [
            {
              dirStatus: expect.objectContaining({ pathSuffix: "s1" }) as unknown,
              parentFullPath: "/d",
              snapshotID: 0,
              deletionStatus: "ACTIVE",
            },
            expect.objectContaining({ snapshotID: 1 }) as unknown,
          ],
        },
      ],
    ],
    ["/d/.snapshot/s1/f", { op: "GETFILESTATUS" }, [200, { FileStatus: fileStatus }]],
    ["/d", { op: "DELETESNAPSHOT", snapshotname: "s1" }, ok],
    ["/d", { op: "DELETESNAPSHOT", snapshotname: "s3" }, ok],
    ["/d", { op: "DISALLOWSNAPSHOT" }, ok],
    ["/d", { op: "DELETE", recursive: true }, yes],
  ];
}

test("every operation of the table is answered, each with the shape that Hadoop's clients read", async () => {
  const asked = new Set<OperationName>();
  for (const [path, operation, answer, body] of steps()) {
    expect(await ask(path, operation, body ?? ""), `${operation.op} ${path}`).toEqual(answer);
    asked.add(operation.op);
  }
  expect(Object.keys(OPERATIONS).filter((name) => !asked.has(name as OperationName))).toEqual([]);
});

test("how a file is kept is told to who may read it", async () => {
  await ask("/kept", { op: "CREATE", ...created, permission: 0o640 }, "x");
  for (const op of ["GETSTORAGEPOLICY", "GETECPOLICY"] as const) {
    expect((await ask("/kept", { op }, ""))[0]).toBe(200);
    const { status } = await send(`${base}/webhdfs/v1/kept?op=${op}&user.name=bob`, "GET");
    expect(status).toBe(403);
  }
});
