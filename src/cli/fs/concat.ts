/** `concat`: files that become one without a byte moved. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { FsCommand } from "./command.ts";
import type { Shell } from "./shell.ts";

const USAGE = "<target path> <src path> <src path> ...";

export const concat: FsCommand = {
  name: "concat",
  usage: USAGE,
  summary: "join files onto the end of the first one, in one step; the others are gone then",
  min: 0,
  async run(shell, args) {
    const [target, ...sources] = args.words;
    if (target === undefined)
      throw new QuorateError("FILE_OPERATION_REFUSED", `Target path not specified. ${USAGE}`);
    if (sources.length < 2)
      throw new QuorateError("FILE_OPERATION_REFUSED", `The number of source paths is less than 2. ${USAGE}`);
    const path = await shell.pathOf(target);
    if (!(await isFile(shell, path))) {
      const text = `Target path ${target} does not exist or is not file.`;
      throw new QuorateError("FILE_OPERATION_REFUSED", text);
    }
    const paths: string[] = [];
    for (const source of sources) {
      const from = await shell.pathOf(source);
      if (!(await isFile(shell, from)))
        throw new QuorateError("FILE_OPERATION_REFUSED", `${source} does not exist or is not file.`);
      paths.push(from);
    }
    await shell.files.concat(path, paths, { signal: shell.signal });
  },
};

async function isFile({ files, signal }: Shell, path: string): Promise<boolean> {
  try {
    return (await files.stat(path, { signal })).isFile();
  } catch (error) {
    if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return false;
    throw error;
  }
}
