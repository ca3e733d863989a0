// What has been said and where: everyone's conversation, rooms, and direct ones. No page in here.

const KEPT = 500; // messages of one conversation

export const EVERYONE = "everyone";

export class Conversations {
  current;
  #all = new Map(); // by "everyone", "#room" or "@name"

  constructor() {
    this.current = this.open("everyone");
  }

  /** The conversation of that kind ("everyone", "room" or "direct") and name, begun if need be. */
  open(kind, name = "") {
    const key = keyOf(kind, name);
    if (!this.#all.has(key)) {
      this.#all.set(key, { kind, name, entries: [], unread: 0, draft: "", members: new Set() });
    }
    return this.#all.get(key);
  }

  find(kind, name) {
    return this.#all.get(keyOf(kind, name));
  }

  of(kind) {
    return [...this.#all.values()].filter((conversation) => conversation.kind === kind);
  }

  /** Adds an entry; it counts as unread if `seen` is false. */
  add(conversation, entry, seen) {
    conversation.entries.push(entry);
    if (conversation.entries.length > KEPT) conversation.entries.shift();
    if (!seen && entry.kind === "text") conversation.unread += 1;
  }

  /** Somebody is called differently now, wherever the old name stands. */
  rename(was, name) {
    for (const { members } of this.of("room")) {
      if (members.delete(was)) members.add(name);
    }
    const direct = this.find("direct", was);
    if (!direct || was === name) return;
    this.close(direct);
    const there = this.find("direct", name);
    if (there && there !== direct) {
      // Both were talked with: one conversation goes on.
      there.entries.unshift(...direct.entries);
      there.unread += direct.unread;
      if (this.current === direct) this.current = there;
    } else {
      direct.name = name;
      this.#all.set(keyOf("direct", name), direct);
    }
  }

  close(conversation) {
    this.#all.delete(keyOf(conversation.kind, conversation.name));
  }

  unreadElsewhere() {
    let count = 0;
    for (const conversation of this.#all.values()) {
      if (conversation !== this.current) count += conversation.unread;
    }
    return count;
  }

  unread() {
    return this.unreadElsewhere() + this.current.unread;
  }
}

function keyOf(kind, name) {
  return { everyone: EVERYONE, room: `#${name}`, direct: `@${name.toLowerCase()}` }[kind];
}
