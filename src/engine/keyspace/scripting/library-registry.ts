/** Libraries of functions (FUNCTION LOAD) and the functions by name: replicated and bounded. */
import { hashText, stir } from "../../../wire/digest.ts";
import { ReplyError } from "../reply.ts";
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { LibraryFunction, LibrarySource, LuaEngine } from "./lua-engine.ts";
import { readLibraryHeader } from "./shebang.ts";

/** Bodies of all libraries together: a snapshot writes them in one go. */
export const LIBRARIES_BYTES: number = 4 * 1024 * 1024;

export interface Library extends LibrarySource {
  readonly functions: readonly LibraryFunction[];
}

export interface FoundFunction {
  readonly library: Library;
  readonly definition: LibraryFunction;
}

export class LibraryRegistry {
  private readonly engine: LuaEngine;
  private libraries = new Map<string, Library>();
  /** By name in lower case: FCALL does not tell cases apart. */
  private functions = new Map<string, FoundFunction>();

  constructor(engine: LuaEngine) {
    this.engine = engine;
  }

  get functionCount(): number {
    return this.functions.size;
  }

  all(): readonly Library[] {
    return [...this.libraries.values()];
  }

  find(functionName: string): FoundFunction | undefined {
    return this.functions.get(functionName.toLowerCase());
  }

  /** The library's name. Throws ReplyError; then nothing has changed. */
  load(body: string, replace: boolean): string {
    const header = readLibraryHeader(body);
    const { name } = header;
    const previous = this.libraries.get(name);
    if (previous !== undefined && !replace) throw new ReplyError(`ERR Library '${name}' already exists`);
    let bytes = body.length;
    for (const library of this.libraries.values()) if (library !== previous) bytes += library.body.length;
    if (bytes > LIBRARIES_BYTES) {
      throw new ReplyError(`ERR libraries may take ${LIBRARIES_BYTES} bytes in all; delete one first`);
    }
    const source: LibrarySource = { ...header, body };
    const functions = this.engine.loadLibrary(source);
    if (functions instanceof ReplyError) throw functions;
    if (functions.length === 0) throw new ReplyError("ERR No functions registered");
    for (const { name: functionName } of functions) {
      const owner = this.functions.get(functionName.toLowerCase())?.library;
      if (owner !== undefined && owner !== previous) {
        throw new ReplyError(`ERR Function ${functionName} already exists`);
      }
    }
    if (previous !== undefined) this.remove(previous);
    this.add({ ...source, functions });
    return name;
  }

  /** False when there is no such library. */
  delete(name: string): boolean {
    const library = this.libraries.get(name);
    if (library === undefined) return false;
    this.remove(library);
    return true;
  }

  clear(): void {
    this.libraries.clear();
    this.functions.clear();
  }

  /** Runs `change`; when it throws, the libraries are as before. */
  atomically(change: () => void): void {
    const { libraries, functions } = this;
    this.libraries = new Map(libraries);
    this.functions = new Map(functions);
    try {
      change();
    } catch (error) {
      this.libraries = libraries;
      this.functions = functions;
      throw error;
    }
  }

  write(writer: ByteWriter): void {
    writer.uint32(this.libraries.size);
    for (const { body } of this.libraries.values()) writer.string(body);
  }

  read(reader: ByteReader): void {
    this.clear();
    for (let left = reader.uint32(); left > 0; left--) this.load(reader.string(), false);
  }

  digest(): number {
    let digest = 0;
    for (const { name, body } of this.libraries.values()) {
      digest = stir(digest, hashText(hashText(2, name), body));
    }
    return digest;
  }

  private add(library: Library): void {
    this.libraries.set(library.name, library);
    for (const definition of library.functions) {
      this.functions.set(definition.name.toLowerCase(), { library, definition });
    }
  }

  private remove(library: Library): void {
    this.libraries.delete(library.name);
    for (const { name } of library.functions) this.functions.delete(name.toLowerCase());
  }
}
