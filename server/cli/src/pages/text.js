// What in a message's text can be followed: addresses of the web, and rooms.

/** The characters that a room's name can have at most. */
const LONGEST_ROOM = 24;

// Neither white space, nor what an address is written between, nor what can't be seen or turns text around.
const ADDRESS = /(?<![\p{L}\p{N}])https?:\/\/[^\s\p{C}<>"“”]+/iu;
// Letters of every script, with their marks; digits, `-`, `_` and emoji.
const WORD = String.raw`[\p{L}\p{M}\p{N}\p{Extended_Pictographic}\u200c\u200d\ufe0f_-]`;
const ROOM = new RegExp(String.raw`(?<![\p{L}\p{N}#&/])#${WORD}+`, "u");
// What can follow a room's name. Any other sign may belong to it: nobody who follows `#c++` wants to be in `#c`.
const AFTER_ROOM = /^(?:$|\s|[.,;:!?…)\]}"'”’»](?:$|[^\p{L}\p{N}]))/u;

/**
 * The parts of a text, in order and without a gap: `{text}`, `{text, address}` for what leads to a page of the web,
 * `{text, room}` for the name of a room.
 */
export function parts(text) {
  const found = [];
  const plain = (text) => {
    if (text === "") return;
    if (found.length > 0 && Object.keys(found.at(-1)).length === 1) found.at(-1).text += text;
    else found.push({ text });
  };
  let rest = 0;
  const either = new RegExp(`${ADDRESS.source}|${ROOM.source}`, "giu");
  for (let match; (match = either.exec(text)); ) {
    const part = match[0][0] === "#" ? room(match[0], text.slice(either.lastIndex)) : address(match[0]);
    if (!part) continue;
    plain(text.slice(rest, match.index));
    found.push(part);
    rest = match.index + part.text.length;
    either.lastIndex = rest;
  }
  plain(text.slice(rest));
  return found;
}

/** Whether a room's name is a link where it stands in a text after a `#`. */
export function canBeFollowed(name) {
  const [part, ...more] = parts(`#${name}`);
  return more.length === 0 && part.room === name;
}

function room(text, after) {
  const name = text.slice(1);
  if ([...name].length > LONGEST_ROOM || !/[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(name) || !AFTER_ROOM.test(after)) return undefined;
  return { text, room: name };
}

function address(match) {
  const text = withoutEnd(match);
  let url;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  // With a name in front of the host, an address looks like one of another host: https://bank.example@evil.example/
  if (!["http:", "https:"].includes(url.protocol) || url.username || url.password) return undefined;
  return { text, address: url.href };
}

/** Without what belongs to the sentence around it: its full stop, or a bracket that was not opened in it. */
function withoutEnd(text) {
  const pairs = { ")": "(", "]": "[", "}": "{" };
  for (;;) {
    const last = text.at(-1);
    const many = (sign) => text.split(sign).length;
    const unopened = pairs[last] && many(last) > many(pairs[last]);
    if (!unopened && !/[.,;:!?'’»*_~…]/.test(last)) return text;
    text = text.slice(0, -1);
  }
}
