// A list of any length of which only what can be seen is in the page. Rows are moved, not made anew.

/** How many rows beyond the edges are drawn too. */
const BEYOND = 4;

export class Rows {
  /** Whether the newest row stays in sight. */
  follow = false;
  #list;
  #spacer;
  /** As high as a row, whatever the style sheet makes of it. */
  #measure;
  #pool = [];
  #drawn = [];
  #options;
  #count = 0;
  #active = -1;
  /** Where the list was scrolled to last in order to follow. */
  #end;

  /**
   * In `list`, a listbox: `make()` gives an empty row, `draw(row, index)` fills it and names it, `open(index)` is
   * called for Enter or a click, and `moved(index)` when a key makes another row the active one.
   */
  constructor(list, options) {
    this.#list = list;
    this.#options = options;
    this.#spacer = document.createElement("div");
    this.#spacer.className = "spacer";
    this.#spacer.role = "presentation";
    this.#measure = document.createElement("div");
    this.#measure.className = "measure";
    this.#measure.role = "presentation";
    list.append(this.#spacer, this.#measure);
    list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.#choose(Number(row.dataset.index), event);
    });
    list.addEventListener("focus", options.later);
    this.height = this.#measure.getBoundingClientRect().height;
    const observer = new ResizeObserver(() => {
      this.#measured();
      this.redraw();
      if (this.follow) this.toEnd();
      options.later();
    });
    observer.observe(list);
    observer.observe(this.#measure);
  }

  /** The style sheet may have another height for rows in a narrow window. The first row in sight stays in its place. */
  #measured() {
    const { height } = this.#measure.getBoundingClientRect();
    if (height === this.height || height === 0) return;
    const first = this.#list.scrollTop / this.height;
    this.height = height;
    this.#spacer.style.height = `${this.#count * height}px`;
    if (!this.follow) this.#list.scrollTop = first * height;
  }

  get active() {
    return this.#active;
  }

  set active(index) {
    this.#active = index;
    this.redraw();
  }

  get count() {
    return this.#count;
  }

  /** There are so many rows now, of which `fallen` that were the first are gone. */
  resize(count, fallen = 0) {
    this.#count = count;
    if (fallen > 0) {
      this.#active = Math.max(-1, this.#active - fallen);
      this.redraw();
      if (!this.follow) this.#list.scrollTop -= fallen * this.height;
    }
    if (this.#active >= count) this.#active = count - 1;
    this.#spacer.style.height = `${count * this.height}px`;
    if (this.follow) this.toEnd();
  }

  /** Whether there is more than can be seen at once. */
  get overflows() {
    return this.#count * this.height > this.#list.clientHeight;
  }

  /** Everything may have changed. */
  redraw() {
    this.#drawn.fill(undefined);
  }

  toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#end = this.#list.scrollTop;
  }

  /** Brings a row into sight. */
  show(index) {
    const top = index * this.height;
    if (top < this.#list.scrollTop) this.#list.scrollTop = top;
    else if (top + this.height > this.#list.scrollTop + this.#list.clientHeight) {
      this.#list.scrollTop = top + this.height - this.#list.clientHeight;
    }
  }

  /** Draws what can be seen and is not drawn yet. */
  render() {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / this.height) - BEYOND);
    const last = Math.min(this.#count, Math.ceil((this.#list.scrollTop + this.#list.clientHeight) / this.height) + BEYOND);
    const size = Math.ceil(this.#list.clientHeight / this.height) + 2 * BEYOND + 2;
    while (this.#pool.length < size) this.#add();
    while (this.#pool.length > size) {
      this.#pool.pop().remove();
      this.redraw();
    }
    this.#drawn.length = size;
    const seen = new Set();
    for (let index = first; index < last; index++) {
      const slot = index % size;
      seen.add(slot);
      if (this.#drawn[slot] !== index) this.#draw(slot, index);
    }
    this.#pool.forEach((row, slot) => {
      row.hidden = !seen.has(slot);
      if (row.hidden) this.#drawn[slot] = undefined;
    });
    const slot = this.#active % size;
    if (this.#active >= first && this.#active < last) this.#list.setAttribute("aria-activedescendant", this.#pool[slot].id);
    else this.#list.removeAttribute("aria-activedescendant");
  }

  /** Who scrolls up stops following, and who scrolls to the end begins. That the list became smaller is neither. */
  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#list;
    if (scrollTop !== this.#end) {
      this.follow = this.#options.follows === true && scrollTop + clientHeight > scrollHeight - this.height;
    }
    this.#options.later();
  }

  #add() {
    const row = this.#options.make();
    row.role = "option";
    row.id = `${this.#list.id}-${this.#pool.length}`;
    this.#pool.push(row);
    this.#spacer.append(row);
  }

  #draw(slot, index) {
    const row = this.#pool[slot];
    this.#drawn[slot] = index;
    row.style.transform = `translateY(${index * this.height}px)`;
    row.dataset.index = index;
    row.ariaPosInSet = index + 1;
    row.ariaSetSize = this.#count;
    row.ariaSelected = String(index === this.#active);
    row.classList.toggle("active", index === this.#active);
    this.#options.draw(row, index);
  }

  #choose(index, event) {
    this.#active = index;
    this.follow = false;
    this.redraw();
    this.#options.open(index, event);
    this.#options.later();
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.#list.clientHeight / this.height) - 1);
    const from = this.#active;
    const to = {
      ArrowDown: from + 1,
      ArrowUp: from < 0 ? this.#count - 1 : from - 1,
      PageDown: from + page,
      PageUp: from - page,
      Home: 0,
      End: this.#count - 1,
    }[event.key];
    if (to !== undefined && this.#count > 0) {
      event.preventDefault();
      this.move(Math.max(0, Math.min(this.#count - 1, to)));
      this.#options.moved?.(this.#active);
    } else if (event.key === "Enter" && from >= 0) {
      event.preventDefault();
      this.#choose(from, event);
    }
  }

  /** Makes another row the active one, in sight. */
  move(index) {
    this.#active = index;
    this.follow = false;
    this.redraw();
    this.show(index);
    this.#options.later();
  }
}
