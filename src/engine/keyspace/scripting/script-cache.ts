/** The scripts that EVALSHA finds by SHA-1: replicated, bounded, oldest out first. */
import { hashText, stir } from "../../../wire/digest.ts";
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Script, ScriptFlag } from "./lua-engine.ts";
import { readScriptHeader } from "./shebang.ts";
import { sha1Hex } from "./sha1.ts";

/** Bodies of all scripts together: a snapshot writes them in one go. */
export const SCRIPT_CACHE_BYTES: number = 4 * 1024 * 1024;
/** What one script costs beside its body. */
const SCRIPT_OVERHEAD_BYTES = 256;

export interface CachedScript extends Script {
  /** Undefined: no shebang line. */
  readonly flags: readonly ScriptFlag[] | undefined;
}

export class ScriptCache {
  private readonly bySha = new Map<string, CachedScript>();
  private readonly byBody = new Map<string, CachedScript>();
  /** What the scripts cost, of which there is a bound. */
  bytes = 0;

  get size(): number {
    return this.bySha.size;
  }

  /** `sha` in lower case. */
  find(sha: string): CachedScript | undefined {
    return this.bySha.get(sha);
  }

  /** The script with this body, from the cache or new; does not store it. Throws ReplyError for a bad shebang line. */
  parse(body: string): CachedScript {
    return this.byBody.get(body) ?? { sha: sha1Hex(body), body, ...readScriptHeader(body) };
  }

  has(script: CachedScript): boolean {
    return this.bySha.has(script.sha);
  }

  /** Stores a script that compiles; those stored longest ago go when there are too many. */
  add(script: CachedScript): void {
    if (this.has(script)) return;
    this.bySha.set(script.sha, script);
    this.byBody.set(script.body, script);
    this.bytes += costOf(script);
    for (const oldest of this.bySha.values()) {
      if (this.bytes <= SCRIPT_CACHE_BYTES || this.bySha.size === 1) break;
      this.remove(oldest);
    }
  }

  clear(): void {
    this.bySha.clear();
    this.byBody.clear();
    this.bytes = 0;
  }

  write(writer: ByteWriter): void {
    writer.uint32(this.bySha.size);
    for (const { body } of this.bySha.values()) writer.string(body);
  }

  read(reader: ByteReader): void {
    this.clear();
    for (let left = reader.uint32(); left > 0; left--) this.add(this.parse(reader.string()));
  }

  digest(): number {
    let digest = 0;
    for (const { sha } of this.bySha.values()) digest = stir(digest, hashText(1, sha));
    return digest;
  }

  private remove(script: CachedScript): void {
    this.bySha.delete(script.sha);
    this.byBody.delete(script.body);
    this.bytes -= costOf(script);
  }
}

function costOf(script: CachedScript): number {
  return script.body.length + SCRIPT_OVERHEAD_BYTES;
}
