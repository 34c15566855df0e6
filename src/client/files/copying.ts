/** Copies within one file system, of files and of directories with all below them; the bytes go through this program. */
import { QuorateError } from "../../runtime/errors.ts";
import type { CallOptions, WriteOptions } from "./driver.ts";
import type { Files } from "./files.ts";
import { isWithin, joinPath } from "./path.ts";
import { isLocal, realPath, ServerPlaces } from "./real-place.ts";

/** Entries of one directory that are copied at a time. */
const COPIES_AT_A_TIME = 4;

export class Copying {
  private readonly files: Files;
  private readonly options: WriteOptions & { readonly recursive?: boolean };
  private readonly call: CallOptions;
  private readonly places: ServerPlaces;

  constructor(files: Files, options: WriteOptions & { readonly recursive?: boolean }) {
    const { signal, timeoutMs } = options;
    this.files = files;
    this.options = options;
    this.call = { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) };
    this.places = new ServerPlaces(files.driver, this.call);
  }

  /** Links are followed. `above`: where the directories really are whose copies this one is in. */
  async copy(from: string, to: string, above: readonly string[] = []): Promise<void> {
    const { files, options, call } = this;
    const { type } = await files.driver.describe(from, { ...call, followLast: true });
    if (type !== "directory") return files.writeFile(to, () => files.driver.read(from, call), options);
    if (options.recursive !== true)
      throw new QuorateError("FILE_OPERATION_REFUSED", `${from} is a directory: it takes recursive`);
    const around = await this.enter(from, to, above);
    await files.driver.makeDirectories(to, call);
    const running = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    for await (const { path, name } of files.walk(from, call)) {
      while (running.size >= COPIES_AT_A_TIME) await Promise.race(running);
      if (failure !== undefined) break;
      const one = this.copy(path, joinPath(to, name), around)
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
    if (failure !== undefined) throw failure.error;
  }

  /** Links may lead the copy back into what is copied, or what is copied around in a circle: neither would end. */
  private async enter(from: string, to: string, above: readonly string[]): Promise<readonly string[]> {
    const source = await this.realPath(from);
    if (above.includes(source))
      throw new QuorateError("ARGUMENT_INVALID", `${from} leads back to ${source}, which it is in`);
    const around = [...above, source];
    const target = await this.realPath(to);
    const outer = around.find((each) => isWithin(target, each));
    if (outer !== undefined)
      throw new QuorateError("ARGUMENT_INVALID", `${to} is ${outer}, which is copied, or below it`);
    return around;
  }

  private realPath(path: string): Promise<string> {
    const { files, places } = this;
    return isLocal(files) ? realPath({ files, path }) : places.realPath(path);
  }
}
