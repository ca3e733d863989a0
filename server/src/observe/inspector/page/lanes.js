// A lane for each session: its transports over time, what went each way, and how it ended.

import { $, el, visible } from "./dom.js";
import { Rows } from "./rows.js";
import { agentName, count, duration, reasonWords, stateOf, transportName } from "./words.js";

/** Between two labels of the time axis, in pixels. */
const LABELS = 96;
/** The height of a lane in rem where there is room, and in pixels where all shall be in sight: at least, and with its name. */
const ROOMY = 2;
const [THINNEST, NAMED] = [3, 15];

export class Lanes {
  rows;
  #sessions = [];
  #window = { from: 0, to: 1, now: 1 };
  #cursor;
  #selected;
  #colours;
  #axis = $("axis");
  #list = $("lanes");
  /** Whether lanes are so narrow that all are in sight. */
  all = false;
  #pointed;

  /** `select(session, time)` is called for Enter or a click, which has a time if it was at one. */
  constructor({ select, later }) {
    this.rows = new Rows($("lanes"), {
      make,
      draw: (row, index) => this.#draw(row, this.#sessions[index]),
      moved: (index) => this.#point(this.#sessions[index]),
      open: (index, event) => select(this.#sessions[index], this.#timeAt(event)),
      later,
    });
    this.#list.addEventListener("pointermove", ({ target }) => {
      const row = target.closest?.("[role=option]");
      this.#point(row && this.#sessions[Number(row.dataset.index)]);
    });
    this.#list.addEventListener("pointerleave", () => this.#point(undefined));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#colours = undefined;
      this.rows.redraw();
      later();
    });
  }

  get length() {
    return this.#sessions.length;
  }

  /** Shows these sessions, in this span of time, which may go beyond `now`, with a line where `cursor` is. */
  update(sessions, { from, to, now }, selected, cursor) {
    const active = this.#sessions[this.rows.active];
    this.#sessions = sessions;
    this.#window = { from, to: Math.max(to, from + 1), now };
    this.#selected = selected;
    this.#cursor = cursor;
    this.#fit();
    this.rows.resize(sessions.length);
    this.rows.active = active ? sessions.indexOf(active) : -1;
    this.#drawAxis();
    this.rows.render();
  }

  /** As high as there is room for. */
  #fit() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const [room, count] = [this.#list.clientHeight, Math.max(1, this.#sessions.length)];
    const { classList, style } = this.#list;
    classList.toggle("many", count * ROOMY * rem > room);
    classList.toggle("all", this.all);
    if (!this.all) return;
    const height = Math.max(THINNEST, Math.min(ROOMY * rem, Math.floor((room / count) * 2) / 2));
    style.setProperty("--fit", String(height / rem));
    classList.toggle("named", height >= NAMED);
  }

  /** Names the lane that is pointed at, where it has no room for its name. */
  #point(session) {
    this.#pointed = session;
    const named = !this.all || this.#list.classList.contains("named");
    $("pointed").textContent = named || !session ? "" : visible([`#${session.number}`, stateOf(session), ...where(session)].join(" "));
  }

  #timeAt(event) {
    const track = event.target.closest?.("canvas");
    if (!track) return undefined;
    const { left, width } = track.getBoundingClientRect();
    const { from, to } = this.#window;
    return from + ((event.clientX - left) / width) * (to - from);
  }

  #drawAxis() {
    const width = this.#axis.clientWidth;
    const { from, to } = this.#window;
    const marks = ticks(from, to, width / LABELS);
    while (this.#axis.children.length < marks.length) this.#axis.append(el("span"));
    [...this.#axis.children].forEach((label, index) => {
      label.hidden = index >= marks.length;
      if (label.hidden) return;
      label.textContent = `${marks[index] / 1000} s`;
      label.style.transform = `translateX(${((marks[index] - from) / (to - from)) * width}px)`;
    });
  }

  #draw(row, session) {
    const [label, track] = row.children;
    const [number, state, nsp, client, address, note, words] = label.children;
    row.className = `lane${session === this.#selected ? " selected" : ""}${session.live ? " live" : ""}${row.classList.contains("active") ? " active" : ""}`;
    number.textContent = `#${session.number}`;
    state.textContent = visible(stateOf(session));
    state.className = `lane-state ${session.live ? session.transport ?? "" : "over"}`;
    nsp.textContent = visible(session.joined.join(" "));
    client.textContent = visible(agentName(session.agent));
    address.textContent = visible(host(session.address ?? ""));
    note.textContent = session.breaches.length > 0 ? `${session.breaches.length} ⚠` : "";
    words.textContent = describe(session);
    row.title = visible([session.live ? "" : reasonWords(session.reason), session.address, session.agent].filter(Boolean).join("\n").replaceAll("\n", " · "));
    this.#paint(track, session);
  }

  #paint(canvas, session) {
    this.#colours ??= colours();
    const [width, height, scale] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
    if (width === 0) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const draw = canvas.getContext("2d");
    draw.setTransform(scale, 0, 0, scale, 0, 0);
    draw.clearRect(0, 0, width, height);
    const { from, to } = this.#window;
    const x = (time) => ((time - from) / (to - from)) * width;
    const middle = Math.round(height / 2);
    this.#grid(draw, x, width, height);
    this.#transports(draw, session, x, middle, width, height < NAMED);
    this.#entries(draw, session, x, middle, height);
    if (this.#cursor !== undefined) {
      draw.fillStyle = this.#colours.ink;
      draw.fillRect(Math.round(x(this.#cursor)), 0, 1, height);
    }
  }

  #grid(draw, x, width, height) {
    draw.fillStyle = this.#colours.line;
    for (const time of ticks(this.#window.from, this.#window.to, width / LABELS)) draw.fillRect(Math.round(x(time)), 0, 1, height);
  }

  #transports(draw, session, x, middle, width, thin) {
    const end = session.closed ?? this.#window.now;
    session.transports.forEach(({ transport, began }, index) => {
      const until = session.transports[index + 1]?.began ?? end;
      const [left, right] = [Math.max(-2, x(began)), Math.min(width + 2, Math.max(x(until), x(began) + 1.5))];
      if (right < 0 || left > width) return;
      draw.strokeStyle = transport === "websocket" ? this.#colours.websocket : this.#colours.polling;
      draw.lineWidth = thin ? 1 : transport === "websocket" ? 3 : 2;
      draw.setLineDash(transport === "websocket" ? [] : [4, 3]);
      draw.beginPath();
      draw.moveTo(left, middle);
      draw.lineTo(right, middle);
      draw.stroke();
      draw.setLineDash([]);
    });
    if (session.transports.length === 0) {
      draw.fillStyle = this.#colours.line;
      draw.fillRect(x(session.began), middle, x(end) - x(session.began), 1);
    }
    if (session.closed !== undefined) {
      draw.fillStyle = this.#colours.soft;
      const half = thin ? middle : 6;
      draw.fillRect(Math.round(x(session.closed)) - 1, middle - half, 2, 2 * half);
    }
  }

  /** What the application did, in a narrow lane of its own at the bottom: as long as it took. */
  #note(draw, began, ended, height) {
    const thick = height < NAMED ? 1 : 3;
    draw.fillStyle = this.#colours.note;
    draw.fillRect(began, height - thick, Math.max(thick, ended - began), thick);
  }

  #entries(draw, session, x, middle, height) {
    const { entries } = session;
    const { from, to } = this.#window;
    // Where something was drawn last, upwards and downwards: the next within a pixel would not be seen.
    const last = { in: -1, out: -1 };
    const shown = session.plain ? "frame" : "packet";
    const [gap, margin] = height < NAMED ? [0.5, 0.5] : [2, 4];
    for (let index = entries.search((entry) => entry.time >= from); index < entries.length; index++) {
      const entry = entries.at(index);
      if (entry.time > to) break;
      const left = Math.round(x(entry.time));
      if (entry.kind === "violation" || entry.kind === "refused") {
        diamond(draw, left, middle, Math.min(5, Math.max(2, height / 2 - 1)), this.#colours.bad);
      } else if (entry.kind === "note") {
        this.#note(draw, x(entry.time - (entry.took ?? 0)), left, height);
      } else if (entry.kind === shown && last[entry.direction] !== left) {
        last[entry.direction] = left;
        const long = Math.max(1, session.plain || entry.type === "message" ? height / 2 - margin : (height / 2 - margin) / 2);
        draw.fillStyle = this.#colours[entry.direction];
        draw.fillRect(left, entry.direction === "in" ? middle - gap - long : middle + gap, 1.5, long);
      }
    }
  }
}

function make() {
  const names = ["number", "lane-state", "lane-nsp", "lane-client", "lane-address", "lane-note"];
  const label = el("span", { className: "lane-label" }, ...names.map((className) => el("span", { className, ariaHidden: String(className.startsWith("lane-") && className !== "lane-state") })), el("span", { className: "hidden" }));
  return el("div", {}, label, el("canvas", { ariaHidden: "true" }));
}

function diamond(draw, x, y, size, colour) {
  draw.fillStyle = colour;
  draw.beginPath();
  draw.moveTo(x, y - size);
  draw.lineTo(x + size, y);
  draw.lineTo(x, y + size);
  draw.lineTo(x - size, y);
  draw.fill();
}

/** Round times between two, about so many. */
export function ticks(from, to, most) {
  const rough = (to - from) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
  const marks = [];
  for (let mark = Math.ceil(from / step); mark * step <= to; mark++) marks.push(Math.round(mark * step * 1e6) / 1e6);
  return marks;
}

/** Its namespaces, its client's program, and the address. */
function where(session) {
  return [session.joined.join(" "), agentName(session.agent), session.address].filter(Boolean);
}

/** An address without its port, which says little about a client. */
const host = (address) => address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");

/** The lane in words, for those who do not see it. */
function describe(session) {
  const transports = session.transports.map(({ transport }) => transportName(transport)).join(", then ");
  const end = session.live ? "live" : `ended after ${duration((session.closed ?? session.began) - session.began)}`;
  const breaches = session.breaches.length > 0 ? `, ${count(session.breaches.length, "rule breach", "rule breaches")}` : "";
  const notes = session.notes > 0 ? `, ${count(session.notes, "note")} of the application` : "";
  return visible(`by ${transports || "an unknown transport"}, ${end}, ${session.sent.in} packets from the client, ${session.sent.out} from the server${notes}${breaches}${where(session).map((part) => `, ${part}`).join("")}`);
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "polling", "websocket", "in", "out", "bad", "note"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`)]));
}
