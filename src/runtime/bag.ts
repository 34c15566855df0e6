/**
 * Things that come and go all the time, few of them at once. A Set makes a new table every few additions and leaves the old one
 * behind; when the Set is old, so are its tables, and what they hold lives on until the collector's next full run, a third of
 * all that was ever in it. A bag keeps its places.
 */
export class Bag<T> implements Iterable<T> {
  private readonly places: (T | undefined)[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.places.length - this.free.length;
  }

  /** Gives the place that it has from now on. */
  add(thing: T): number {
    const place = this.free.pop() ?? this.places.length;
    this.places[place] = thing;
    return place;
  }

  /** Empties a place that `add` gave and that was not emptied since. */
  remove(place: number): void {
    this.places[place] = undefined;
    this.free.push(place);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const thing of this.places) if (thing !== undefined) yield thing;
  }
}
