// Typed arrays that grow, for numbers that arrive one by one and are drawn all together.

/** A column of numbers. */
export class Column {
  private store = new Float64Array(256);
  length = 0;

  /** Appends. */
  push(value: number): void {
    if (this.length === this.store.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.store);
      this.store = larger;
    }
    this.store[this.length++] = value;
  }

  /** The numbers so far: a view of the store, to be used before the next `push`. */
  values(): Float64Array {
    return this.store.subarray(0, this.length);
  }

  /** The newest number, if there is one. */
  last(): number | undefined {
    return this.length === 0 ? undefined : this.store[this.length - 1];
  }
}
