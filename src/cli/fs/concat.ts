/** `concat`: files that become one without a byte moved. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { Files } from "../../client/files/files.ts";
import type { FsCommand } from "./command.ts";
import type { Shell } from "./shell.ts";

const USAGE = "<target path> <src path> <src path> ...";

export const concat: FsCommand = {
  name: "concat",
  usage: USAGE,
  summary: "join files onto the end of the first one, in one step; the others are gone then",
  free: true,
  min: 0,
  async run(shell, args) {
    const [target, ...sources] = args.words;
    if (target === undefined)
      throw new QuorateError("FILE_OPERATION_REFUSED", `Target path not specified. ${USAGE}`);
    if (sources.length < 2)
      throw new QuorateError("FILE_OPERATION_REFUSED", `The number of source paths is less than 2. ${USAGE}`);
    const { files, path } = await shell.placeOf(target);
    if (!(await isFile(shell, files, path))) {
      const text = `Target path ${full(files, path)} does not exist or is not file.`;
      throw new QuorateError("FILE_OPERATION_REFUSED", text);
    }
    const paths: string[] = [];
    for (const source of sources) {
      const from = await shell.placeOf(source);
      if (from.files !== files || !(await isFile(shell, files, from.path)))
        throw new QuorateError(
          "FILE_OPERATION_REFUSED",
          `${full(from.files, from.path)} does not exist or is not file.`,
        );
      paths.push(from.path);
    }
    await files.concat(path, paths, { signal: shell.signal });
  },
};

/** As Hadoop's shell names it here. */
function full({ url }: Files, path: string): string {
  return `${url.replace(/\/$/, "")}${path}`;
}

async function isFile({ signal }: Shell, files: Files, path: string): Promise<boolean> {
  try {
    return (await files.stat(path, { signal })).isFile();
  } catch (error) {
    if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return false;
    throw error;
  }
}
