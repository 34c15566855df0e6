/**
 * The rows of the error table that belong to files: each is an exception that Hadoop's clients know, because they decide
 * by its class whether to go on (a class they cannot construct stays an opaque RemoteException).
 */

/** How an error reaches a WebHDFS client: `{"RemoteException": {exception, javaClassName, message}}`. */
export interface HadoopException {
  /** The simple name, which clients in other languages read. */
  readonly exception: string;
  /** A class of Hadoop or Java with a constructor of one String: the Java client makes one. */
  readonly javaClassName: string;
  /** The HTTP status that Hadoop's own server gives this class. */
  readonly status: 400 | 403 | 404 | 500;
}

export type FileErrorCode =
  | "PATH_NOT_FOUND"
  | "PATH_EXISTS"
  | "PARENT_NOT_DIRECTORY"
  | "DIRECTORY_NOT_EMPTY"
  | "PATH_INVALID"
  | "NAME_TOO_LONG"
  | "LINK_UNRESOLVED"
  | "ACCESS_DENIED"
  | "NAME_QUOTA_EXCEEDED"
  | "SPACE_QUOTA_EXCEEDED"
  | "BEING_WRITTEN"
  | "LEASE_LOST"
  | "LEASE_RECOVERING"
  | "SAFE_MODE"
  | "SNAPSHOT_REFUSED"
  | "ACL_INVALID"
  | "ATTRIBUTE_REFUSED"
  | "ARGUMENT_INVALID"
  | "CHANGED_MEANWHILE"
  | "FILE_OPERATION_REFUSED"
  | "BLOCK_MISSING"
  | "CHECKSUM_MISMATCH"
  | "REPLICA_UNUSABLE"
  | "NO_TARGETS";

interface FileErrorKind {
  readonly retryable: boolean;
  readonly outcome: "not-applied";
  readonly resp: string;
  readonly exit: 1;
  readonly hadoop: HadoopException;
  readonly meaning: string;
}

const HDFS = "org.apache.hadoop.hdfs.protocol.";
const FS = "org.apache.hadoop.fs.";

function kind(
  javaClassName: string,
  status: HadoopException["status"],
  meaning: string,
  retryable = false,
): FileErrorKind {
  const exception = javaClassName.slice(
    Math.max(javaClassName.lastIndexOf("."), javaClassName.lastIndexOf("$")) + 1,
  );
  return {
    retryable,
    outcome: "not-applied",
    resp: retryable ? "TRYAGAIN" : "ERR",
    exit: 1,
    hadoop: { exception, javaClassName, status },
    meaning,
  };
}

export const FILE_ERRORS: Readonly<Record<FileErrorCode, FileErrorKind>> = {
  PATH_NOT_FOUND: kind("java.io.FileNotFoundException", 404, "No file or directory has this path."),
  PATH_EXISTS: kind(
    `${FS}FileAlreadyExistsException`,
    403,
    "Something is at this path already, or is of another kind than the operation needs.",
  ),
  PARENT_NOT_DIRECTORY: kind(
    `${FS}ParentNotDirectoryException`,
    403,
    "A part of the path that should be a directory is a file.",
  ),
  DIRECTORY_NOT_EMPTY: kind(
    `${FS}PathIsNotEmptyDirectoryException`,
    403,
    "The directory is not empty; remove what is in it first, or ask for recursive removal.",
  ),
  PATH_INVALID: kind(
    `${FS}InvalidPathException`,
    400,
    "Not a path: it must be absolute, without empty parts, `.`, `..` or control characters.",
  ),
  NAME_TOO_LONG: kind(
    `${HDFS}FSLimitException$PathComponentTooLongException`,
    403,
    "A name is longer than 255 bytes of UTF-8, or the path is longer or deeper than the limits.",
  ),
  LINK_UNRESOLVED: kind(
    `${FS}UnresolvedLinkException`,
    403,
    "A symbolic link on the path leads out of this file system, or in a circle.",
  ),
  ACCESS_DENIED: kind(
    "org.apache.hadoop.security.AccessControlException",
    403,
    "The user may not do this; the message says which permission of which directory or file is missing.",
  ),
  NAME_QUOTA_EXCEEDED: kind(
    `${HDFS}NSQuotaExceededException`,
    403,
    "A directory on the path may not hold more names; remove some, or raise its quota.",
  ),
  SPACE_QUOTA_EXCEEDED: kind(
    `${HDFS}DSQuotaExceededException`,
    403,
    "A directory on the path may not hold more bytes, replicas counted; remove some, or raise its quota.",
  ),
  BEING_WRITTEN: kind(
    `${HDFS}AlreadyBeingCreatedException`,
    403,
    "Another client is writing this file; wait for it, or recover its lease.",
  ),
  LEASE_LOST: kind(
    "org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException",
    403,
    "The writer no longer holds the lease of the file: it was removed, closed or taken over meanwhile.",
  ),
  LEASE_RECOVERING: kind(
    `${HDFS}RecoveryInProgressException`,
    403,
    "The file of a writer that went away is being closed; retry in a moment.",
    true,
  ),
  SAFE_MODE: kind(
    "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
    403,
    "The file system is in safe mode and takes no changes until it is told to leave it.",
    true,
  ),
  SNAPSHOT_REFUSED: kind(
    `${HDFS}SnapshotException`,
    403,
    "The directory's snapshots do not allow this: none may be taken, or some must be deleted first.",
  ),
  ACL_INVALID: kind(
    `${HDFS}AclException`,
    403,
    "The access control list is not valid; the message says why.",
  ),
  ATTRIBUTE_REFUSED: kind(
    "java.io.IOException",
    403,
    "The extended attribute does not exist, exists already, is too large, or is one too many.",
  ),
  ARGUMENT_INVALID: kind(
    "java.lang.IllegalArgumentException",
    400,
    "A parameter is out of its range; the message says which and what is allowed.",
  ),
  CHANGED_MEANWHILE: kind(
    "java.io.IOException",
    403,
    "A file is not in the state that the caller expected; nothing was changed. Look again and decide anew.",
  ),
  FILE_OPERATION_REFUSED: kind(
    "java.io.IOException",
    403,
    "The operation cannot be done with this file or directory; the message says why.",
  ),
  BLOCK_MISSING: kind(
    `${HDFS}BlockMissingException`,
    403,
    "No node that can be reached holds a good replica of a block.",
    true,
  ),
  CHECKSUM_MISMATCH: kind(
    `${FS}ChecksumException`,
    403,
    "A replica's bytes do not fit their checksums; another replica is read and this one replaced.",
    true,
  ),
  REPLICA_UNUSABLE: kind(
    "java.io.IOException",
    403,
    "A node has no replica of the block, or one of another length or generation.",
    true,
  ),
  NO_TARGETS: kind(
    "java.io.IOException",
    403,
    "No node with enough space can take another replica of the block.",
    true,
  ),
};
