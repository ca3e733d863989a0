// A file that is dragged over the page can be dropped anywhere on it.

import { $ } from "./dom.js";

/** `open(file)` is called for a file that is dropped. */
export function onDrop(open) {
  // Each element that is dragged over is entered, and left again.
  let within = 0;
  const hint = (change) => {
    within = Math.max(0, within + change);
    $("drop").hidden = within === 0;
  };
  window.addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) hint(1);
  });
  window.addEventListener("dragleave", () => hint(-1));
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    hint(-within);
    const [file] = event.dataTransfer?.files ?? [];
    if (file) open(file);
  });
}
