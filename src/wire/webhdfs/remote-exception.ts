/** Errors as WebHDFS says them: `{"RemoteException": {…}}`. */
import type { ErrorCode, HadoopException } from "../../runtime/errors.ts";
import { ERRORS, hadoopExceptionOf, QuorateError } from "../../runtime/errors.ts";

export interface RemoteException {
  readonly RemoteException: {
    readonly exception: string;
    readonly javaClassName: string;
    readonly message: string;
  };
}

/** What HDFS says, as of something that is not there, of a directory that is taken for a file. */
const NO_FILE = /^Path is not a file/;

function hadoop(javaClassName: string, status: HadoopException["status"]): HadoopException {
  return { exception: javaClassName.slice(javaClassName.lastIndexOf(".") + 1), javaClassName, status };
}

const HADOOP_ILLEGAL_ARGUMENT = hadoop("org.apache.hadoop.HadoopIllegalArgumentException", 400);

/** What HDFS has another exception for than the one that the code has, told by its text. */
const NAMED: readonly (readonly [text: RegExp, exception: HadoopException])[] = [
  [
    /^No erasure coding policy explicitly set on /,
    hadoop("org.apache.hadoop.hdfs.protocol.NoECPolicySetException", 403),
  ],
  [/^At least one of the attributes/, hadoop("org.apache.hadoop.hdfs.protocol.XAttrNotFoundException", 403)],
  [/^\/.* is not a directory$/s, hadoop("org.apache.hadoop.fs.PathIsNotDirectoryException", 403)],
  [
    /^(Specified block size is less than|Requested replication factor of )/,
    hadoop("java.io.IOException", 403),
  ],
  [/^Cannot truncate to a larger file size/, HADOOP_ILLEGAL_ARGUMENT],
  [/^concat: .* is named twice, or is the target$/s, HADOOP_ILLEGAL_ARGUMENT],
  [/^An XAttr name must be prefixed with /, HADOOP_ILLEGAL_ARGUMENT],
  [/^Cannot find a block policy with the name /, HADOOP_ILLEGAL_ARGUMENT],
  [/^Policy '.*' does not match any enabled erasure coding policies/s, HADOOP_ILLEGAL_ARGUMENT],
  [/^".snapshot" is a reserved name/, HADOOP_ILLEGAL_ARGUMENT],
  [/^File name ".reserved" is reserved/, HADOOP_ILLEGAL_ARGUMENT],
  [/^Invalid path name: not absolute: /, hadoop("java.lang.IllegalArgumentException", 400)],
];

/**
 * The status and body of an error. Some clients read the text: that of PATH_NOT_FOUND says "does not exist", that of
 * PARENT_NOT_DIRECTORY "not a directory", because the namespace words them so.
 */
export function renderError(error: QuorateError): {
  readonly status: HadoopException["status"];
  readonly body: RemoteException;
} {
  const said = NO_FILE.test(error.message) ? "PATH_NOT_FOUND" : error.code;
  const named = NAMED.find(([text]) => text.test(error.message))?.[1];
  const { exception, javaClassName, status } = named ?? hadoopExceptionOf(said);
  return { status, body: { RemoteException: { exception, javaClassName, message: error.message } } };
}

/**
 * The header in which a node of Quorate names the code of its error: several codes share one exception, and only the code
 * says whether the operation may have been carried out.
 */
export const ERROR_CODE_HEADER = "x-quorate-error";

/** Exceptions that several codes share, and what they mean when the server does not say which. */
const SHARED: readonly (readonly [exception: string, code: ErrorCode])[] = [
  ["IOException", "FILE_OPERATION_REFUSED"],
  ["IllegalArgumentException", "ARGUMENT_INVALID"],
  ["HadoopIllegalArgumentException", "ARGUMENT_INVALID"],
  ["PathIsNotDirectoryException", "PARENT_NOT_DIRECTORY"],
  ["XAttrNotFoundException", "ATTRIBUTE_REFUSED"],
  ["RetriableException", "NO_QUORUM"],
  ["StandbyException", "NO_QUORUM"],
  ["AuthorizationException", "ACCESS_DENIED"],
  ["SecurityException", "ACCESS_DENIED"],
];

const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ...(Object.keys(ERRORS) as ErrorCode[]).map((code) => [hadoopExceptionOf(code).exception, code] as const),
  ...SHARED,
]);

/** What HDFS says with another class than the one that its meaning has, or loses on the way through a datanode. */
const TEXTS: readonly (readonly [text: RegExp, code: ErrorCode])[] = [
  [NO_FILE, "FILE_OPERATION_REFUSED"],
  [/^The maximum path component name limit/, "NAME_TOO_LONG"],
];

/**
 * What a server answered, as an error of the table; undefined when it is no error of WebHDFS. `code`: what the header
 * ERROR_CODE_HEADER said.
 */
export function parseError(body: unknown, code?: string): QuorateError | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { RemoteException: remote } = body as { readonly RemoteException?: unknown };
  if (typeof remote !== "object" || remote === null) return undefined;
  const { exception, message } = remote as { readonly exception?: unknown; readonly message?: unknown };
  if (typeof exception !== "string") return undefined;
  const text = typeof message === "string" ? message : exception;
  if (code !== undefined && Object.hasOwn(ERRORS, code)) return new QuorateError(code as ErrorCode, text);
  const said = TEXTS.find(([pattern]) => pattern.test(text))?.[1];
  return new QuorateError(said ?? CODES.get(exception) ?? "FILE_OPERATION_REFUSED", text);
}
