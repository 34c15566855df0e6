/**
 * The output of a job on this machine, all of it or nothing: attempts write beside the output, winners' files are put together
 * there, and one rename makes them the output.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import type { OutputFile } from "../task/orders.ts";

const SUCCESS = "_SUCCESS";

export class OutputDirectory {
  private readonly output: string;
  private readonly beside: string;

  private constructor(output: string, beside: string) {
    this.output = output;
    this.beside = beside;
  }

  /** PATH_EXISTS: the output is there already. */
  static async prepare(output: string): Promise<OutputDirectory> {
    assertAbsent(output);
    await mkdir(dirname(output), { recursive: true });
    const beside = await mkdtemp(join(dirname(output), `.${basename(output)}-`));
    const directory = new OutputDirectory(output, beside);
    await Promise.all([mkdir(directory.attempt("")), mkdir(directory.whole)]);
    return directory;
  }

  /** Where an attempt writes. */
  attempt(name: string): string {
    return join(this.beside, "attempts", name);
  }

  /** The attempt has won: its files are part of the output. */
  async take(name: string, files: readonly OutputFile[]): Promise<void> {
    for (const file of files) await rename(join(this.attempt(name), file.name), join(this.whole, file.name));
    await this.drop(name);
  }

  async drop(name: string): Promise<void> {
    await rm(this.attempt(name), { recursive: true, force: true });
  }

  /** It is there, with all of its files, also after a power failure. */
  async publish(): Promise<void> {
    const mark = await open(join(this.whole, SUCCESS), "wx");
    await mark.sync();
    await mark.close();
    await syncDirectory(this.whole);
    // A rename would take the place of an empty directory.
    assertAbsent(this.output);
    await rename(this.whole, this.output);
    await syncDirectory(dirname(this.output));
    await this.remove();
  }

  /** Nothing is left but, if it was published, the output. */
  async remove(): Promise<void> {
    await rm(this.beside, { recursive: true, force: true });
  }

  private get whole(): string {
    return join(this.beside, "whole");
  }
}

function assertAbsent(output: string): void {
  if (existsSync(output)) throw new QuorateError("PATH_EXISTS", `the output ${output} is there already`);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
