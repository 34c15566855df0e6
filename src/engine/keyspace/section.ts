/** State beside the databases that belongs to the replicated state, such as scripts and function libraries. */
import type { ByteReader } from "../../wire/byte-reader.ts";
import type { ByteWriter } from "../../wire/byte-writer.ts";
import type { CommandSpec } from "./command.ts";

export interface SnapshotSection {
  /** Names the section in snapshots; never changes. */
  readonly name: string;
  /** Writes all of it, as it is at the moment of the cut. Keep it small: it is written in one go. */
  write(writer: ByteWriter): void;
  /** Replaces all of it; undefined: the snapshot has no such section, so it becomes empty. */
  restore(reader: ByteReader | undefined): void;
  /** Equal on replicas whose section is equal. */
  digest(): number;
}

/** What the scripting room gives the keyspace: its commands and the state that they keep. */
export interface ScriptEngine {
  readonly commands: readonly CommandSpec[];
  readonly section: SnapshotSection;
  figures(): ScriptFigures;
}

/** For INFO. Bytes are estimates; those of functions are their libraries' sources. */
export interface ScriptFigures {
  readonly scripts: number;
  readonly scriptBytes: number;
  readonly libraries: number;
  readonly functions: number;
  readonly functionBytes: number;
}
