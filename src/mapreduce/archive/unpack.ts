/** Archives that a job ships, unpacked into a directory that its tasks find under the archive's link. */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { extract } from "tar";
import type { Entry, ZipFile } from "yauzl";
import { open } from "yauzl";
import { QuorateError } from "../../runtime/errors.ts";

const MODE_MASK = 0o777;

/**
 * Unpacks `.zip`, `.jar`, `.tar`, `.tar.gz` and `.tgz` (told by `name`, because what is fetched may be called otherwise) into
 * `directory`, which is made. ARGUMENT_INVALID: it is none of these, or broken, or would write outside of the directory.
 */
export async function unpackArchive(path: string, name: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  try {
    if (/\.(zip|jar)$/i.test(name)) await unzip(path, directory);
    else if (/\.(tar|tar\.gz|tgz)$/i.test(name)) await extract({ file: path, cwd: directory, strict: true });
    else throw new QuorateError("ARGUMENT_INVALID", "archives are .zip, .jar, .tar, .tar.gz and .tgz");
  } catch (cause) {
    throw new QuorateError("ARGUMENT_INVALID", `${name} cannot be unpacked: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function unzip(path: string, directory: string): Promise<void> {
  const zip = await promisify<string, object, ZipFile>(open)(path, { lazyEntries: true, autoClose: true });
  await new Promise<void>((resolve, reject) => {
    zip.once("error", reject);
    zip.once("end", resolve);
    zip.on("entry", (entry: Entry) => {
      unzipEntry(zip, entry, directory).then(() => zip.readEntry(), reject);
    });
    zip.readEntry();
  });
}

/** Its name was checked: it is below the directory. */
async function unzipEntry(zip: ZipFile, entry: Entry, directory: string): Promise<void> {
  const place = join(directory, entry.fileName);
  if (entry.fileName.endsWith("/")) {
    await mkdir(place, { recursive: true });
    return;
  }
  await mkdir(dirname(place), { recursive: true });
  const content = await promisify(zip.openReadStream.bind(zip) as typeof openEntry)(entry);
  const mode = (entry.externalFileAttributes >>> 16) & MODE_MASK;
  await pipeline(content, createWriteStream(place, mode === 0 ? {} : { mode }));
}

type ReadEntry = NodeJS.ReadableStream;
declare function openEntry(entry: Entry, done: (error: Error | null, content: ReadEntry) => void): void;
