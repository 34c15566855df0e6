/**
 * Files that are being written to take the place of others: not in the tree before they are closed or synced, so that who gives
 * up, or dies, leaves what was there before. Few, and nobody but their writer sees them: changed in place.
 */
import { assert } from "../../../runtime/errors.ts";
import { stir } from "../../../wire/digest.ts";
import type { FileNode } from "./inode.ts";
import type { FileId } from "./model.ts";

export class Drafts {
  private readonly files = new Map<FileId, FileNode>();
  /** Sum of what each adds, modulo 2^32. */
  digest = 0;

  all(): IterableIterator<FileNode> {
    return this.files.values();
  }

  get size(): number {
    return this.files.size;
  }

  of(id: FileId): FileNode {
    const file = this.files.get(id);
    assert(file !== undefined, "a draft that is held and not there");
    return file;
  }

  add(file: FileNode): void {
    file.seal();
    this.files.set(file.id, file);
    this.digest = (this.digest + stir(31, file.digest)) | 0;
  }

  edit(id: FileId, change: (file: FileNode) => void): void {
    const file = this.of(id);
    this.digest = (this.digest - stir(31, file.digest)) | 0;
    change(file);
    file.seal();
    this.digest = (this.digest + stir(31, file.digest)) | 0;
  }

  /** It is somewhere else now, or nowhere. */
  take(id: FileId): FileNode {
    const file = this.of(id);
    this.files.delete(id);
    this.digest = (this.digest - stir(31, file.digest)) | 0;
    return file;
  }
}
