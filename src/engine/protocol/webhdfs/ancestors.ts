/** Directories above a path that may not be there yet. */
import { isQuorateError } from "../../../runtime/errors.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Caller } from "../../files/namespace/model.ts";

/** The directory of a path; with `mayMiss` the nearest one above it that exists. Raises PATH_NOT_FOUND when there is none. */
export async function parentOf(
  files: FileSystem,
  path: string,
  caller: Caller,
  { signal, mayMiss }: { readonly signal: AbortSignal; readonly mayMiss: boolean },
): Promise<string> {
  let parent = path;
  do {
    parent = parent.slice(0, Math.max(1, parent.lastIndexOf("/")));
    try {
      await files.status(parent, caller, { signal });
      return parent;
    } catch (error) {
      const isMissing = isQuorateError(error) && error.code === "PATH_NOT_FOUND";
      if (!isMissing || !mayMiss || parent === "/") throw error;
    }
  } while (parent !== "/");
  return parent;
}
