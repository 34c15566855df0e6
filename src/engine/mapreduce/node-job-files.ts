/** The file system of a node as the outputs of jobs need it. */
import { isQuorateError } from "../../runtime/errors.ts";
import type { FileSystem } from "../files/file-system.ts";
import type { Caller } from "../files/namespace/model.ts";
import type { JobFileSystem, Outcome } from "./doors.ts";
import { asQuorateError } from "./node-programs.ts";

const DIRECTORY_MODE = 0o755;

export function nodeJobFiles(files: FileSystem): JobFileSystem {
  const superuser = (): Caller => ({ user: files.settings().superuser, groups: [] });
  const callerOf = (user: string | undefined): Caller =>
    user === undefined ? superuser() : { user, groups: [] };
  return {
    touch: (user, path, done) =>
      settle(
        files.create(path, callerOf(user)).then((writer) => writer.close()),
        (error) => done(error),
      ),
    makeDirectory: (user, path, done) =>
      settle(
        files.change({
          type: "mkdir",
          caller: callerOf(user),
          path,
          mode: DIRECTORY_MODE,
          unmaskedMode: undefined,
          createParents: false,
        }),
        (error) => done(error),
      ),
    look: (path, done) => settle(idAt(files, path, superuser()), done),
    publish: (user, expected, moves, done) =>
      settle(
        files.change({
          type: "publish",
          caller: callerOf(user),
          expected: expected.map(({ path, id }) => ({ path, id, revision: undefined })),
          moves,
          overwrite: false,
          createParents: true,
        }),
        (error) => done(error),
      ),
    remove: (path, recursive, done) =>
      settle(files.change({ type: "delete", caller: superuser(), path, recursive }), (error) => done(error)),
  };
}

async function idAt(files: FileSystem, path: string, caller: Caller): Promise<number | undefined> {
  try {
    return (await files.status(path, caller, { followLast: false })).id;
  } catch (error) {
    if (isQuorateError(error) && (error.code === "PATH_NOT_FOUND" || error.code === "PARENT_NOT_DIRECTORY"))
      return undefined;
    throw error;
  }
}

function settle<T>(promise: Promise<T>, done: Outcome<T>): void {
  promise.then(
    (value) => done(undefined, value),
    (error: unknown) => done(asQuorateError(error)),
  );
}
