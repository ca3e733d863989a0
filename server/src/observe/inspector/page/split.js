// The edge between the sessions and the records, which one moves by hand or by keyboard.

import { $ } from "./dom.js";

const [LEAST, MOST, STEP] = [15, 85, 5]; // per cent of the page below its head
const KEY = "inspector-split";

const main = document.querySelector("main");
const edge = $("split");

/** How much of the page the sessions take, in per cent. */
function share() {
  return ($("sessions").clientHeight / main.clientHeight) * 100;
}

/** Gives the sessions that much of the page; nothing gives them what is usual. */
export function split(wanted) {
  if (wanted === undefined) main.style.removeProperty("--split");
  else main.style.setProperty("--split", `${Math.max(LEAST, Math.min(MOST, wanted))}%`);
  edge.ariaValueNow = String(Math.round(share()));
}

/** Makes room for so many pixels of lanes, if there is not enough. Gives a function that takes it back. */
export function makeRoom(pixels) {
  const before = main.style.getPropertyValue("--split");
  const missing = pixels - $("lanes").clientHeight;
  if (missing > 0) split(Math.min(75, share() + (missing / main.clientHeight) * 100));
  return () => split(before ? parseFloat(before) : undefined);
}

function chosen(wanted) {
  split(wanted);
  sessionStorage.setItem(KEY, String(share()));
}

edge.onpointerdown = (event) => {
  event.preventDefault();
  edge.focus();
  edge.setPointerCapture(event.pointerId);
};
edge.onpointermove = (event) => {
  if (!edge.hasPointerCapture(event.pointerId)) return;
  const { top, height } = main.getBoundingClientRect();
  chosen(((event.clientY - top) / height) * 100);
};
edge.ondblclick = () => {
  split();
  sessionStorage.removeItem(KEY);
};
edge.onkeydown = (event) => {
  const wanted = { ArrowUp: share() - STEP, ArrowDown: share() + STEP, Home: LEAST, End: MOST }[event.key];
  if (wanted === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  chosen(wanted);
};

edge.ariaValueMin = String(LEAST);
edge.ariaValueMax = String(MOST);
const kept = Number(sessionStorage.getItem(KEY));
split(kept > 0 ? kept : undefined);
