// How a program comes into the chat by plain WebSocket: an example that runs as it stands. The path is that of
// the server's own chat; what can be sent and what comes is in docs/guide/chat.md.

const $ = (id) => document.getElementById(id);

const url = new URL("ws", location.href).href.replace(/^http/, "ws");

$("program-text").textContent = `const socket = new WebSocket("${url}");
socket.onmessage = ({ data }) => console.log(data);
socket.onopen = () => {
  socket.send('{"type":"online","from":"Robot"}');
  socket.send("Hello, everyone.");
};`;

$("show-program").onclick = () => {
  $("program-copy").textContent = "Copy";
  $("program").showModal();
  $("program-copy").focus();
};

$("program-copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText($("program-text").textContent);
    $("program-copy").textContent = "Copied";
  } catch {
    // A page that came by plain HTTP from another machine may not write there: one presses the keys oneself.
    getSelection().selectAllChildren($("program-text"));
    $("program-copy").textContent = "Press Ctrl+C";
  }
};

$("program-close").onclick = () => $("program").close();
