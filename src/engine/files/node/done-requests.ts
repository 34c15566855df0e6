/**
 * Which named requests were carried out, as far as this node has applied them itself since it was started: soft state, of the
 * newest alone. Who is found did it; who is not found may have, and only a client that asks again is interested.
 */

/** Characters of names and paths: some 50,000 of usual length, those of ten seconds at the highest rate that was measured. */
const KEPT_CHARACTERS = 4 * 1024 * 1024;

export class DoneRequests {
  private readonly names = new Set<string>();
  private readonly keptCharacters: number;
  private characters = 0;

  constructor(keptCharacters: number = KEPT_CHARACTERS) {
    this.keptCharacters = keptCharacters;
  }

  add(request: string, path: string): void {
    const name = request + path;
    if (this.names.has(name)) return;
    this.names.add(name);
    this.characters += name.length;
    for (const oldest of this.names) {
      if (this.characters <= this.keptCharacters) return;
      this.names.delete(oldest);
      this.characters -= oldest.length;
    }
  }

  has(request: string, path: string): boolean {
    return this.names.has(request + path);
  }
}
