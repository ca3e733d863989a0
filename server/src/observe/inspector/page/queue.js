// A queue that can be looked into: new entries come in behind, the oldest go out in front.

export class Queue {
  #items = [];
  #head = 0;

  get length() {
    return this.#items.length - this.#head;
  }

  push(item) {
    this.#items.push(item);
  }

  shift() {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    // Moved together now and then, so that a shift costs the same however long the queue is.
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  at(index) {
    return this.#items[this.#head + index];
  }

  last() {
    return this.length > 0 ? this.#items.at(-1) : undefined;
  }

  /** The index of the first item for which `reached(item)` holds, where it holds for all behind that one too. */
  search(reached) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (reached(this.at(middle))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  *[Symbol.iterator]() {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}
