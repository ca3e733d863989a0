// Builds what the page shows. What clients send becomes text nodes, never HTML.

/** An element with properties and children: `el("b", { className: "name" }, "ada")`. */
export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return element;
}

/** The same for SVG, whose properties are attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Characters that would not be seen, or would turn the text around, by their escapes. */
export function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b\u200c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) => {
    if (char === "\x1e") return "␞";
    if (char === "\n") return "⏎";
    const code = char.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
