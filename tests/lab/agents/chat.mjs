// The agent of the chat page's own client, in a page. It has no way to emit without an acknowledgement, so it only connects.
export async function test(lab, Client, query = "") {
  const next = `${lab}/next?agent=${encodeURIComponent("the chat page's client")}&level=passive&lacks=websocket${query}`;
  for (let client; ; ) {
    const task = await (await fetch(next)).json();
    // It has no method to leave: what it does when it is lost is to come back.
    if (client) client.connect = () => {};
    if (task.done) return;
    client = new Client({ path: task.url + task.options.path, upgrade: task.options.upgrade });
    client.connect();
  }
}
