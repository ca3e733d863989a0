// On narrow screens the sidebar slides in over the conversation, which is out of reach meanwhile.

const $ = (id) => document.getElementById(id);

function openSidebar() {
  $("sidebar").classList.add("open");
  $("scrim").hidden = false;
  $("open-sidebar").ariaExpanded = "true";
  document.querySelector("main").inert = true;
  $("close-sidebar").focus();
}

export function closeSidebar() {
  if (!$("sidebar").classList.contains("open")) return;
  $("sidebar").classList.remove("open");
  $("scrim").hidden = true;
  $("open-sidebar").ariaExpanded = "false";
  document.querySelector("main").inert = false;
  $("open-sidebar").focus();
}

$("open-sidebar").onclick = openSidebar;
$("close-sidebar").onclick = closeSidebar;
$("scrim").onclick = closeSidebar;
window.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) closeSidebar();
});
matchMedia("(max-width: 46rem)").addEventListener("change", closeSidebar);
