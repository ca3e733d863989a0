// A chat with login, in express. `node backend.mjs 8000`
import { createHmac, timingSafeEqual } from "node:crypto";
import { appendFileSync } from "node:fs";
import express from "express";

const seen = new Set();

// Standard Webhooks: the signature covers id, timestamp and body.
function signed(request) {
  const id = request.get("webhook-id");
  const time = request.get("webhook-timestamp");
  if (!(Math.abs(Date.now() / 1000 - time) < 300)) {
    return false;
  }
  const given = (request.get("webhook-signature") ?? "").split(" ");
  return process.env.WEBHOOK_SECRETS.split(" ").some((secret) => {
    const key = Buffer.from(secret.slice("whsec_".length), "base64");
    const right = "v1," + createHmac("sha256", key).update(`${id}.${time}.`).update(request.body).digest("base64");
    return given.some((one) => one.length === right.length && timingSafeEqual(Buffer.from(one), Buffer.from(right)));
  });
}

const app = express();
app.use(express.raw({ type: "application/json", limit: "10mb" }));
app.post("/", async (request, response) => {
  const id = request.get("webhook-id");
  if (!signed(request)) {
    return response.status(500).json({ message: "wrong signature" });
  }
  // What has been done is not done again: a batch whose answer was lost comes again with its id.
  if (!seen.has(id)) {
    await answer(JSON.parse(request.body), response);
    seen.add(id);
  }
  response.end();
});

async function answer(hook, response) {
  if (hook.type === "connect") {
    const name = hook.auth.name;
    if (typeof name !== "string") {
      return send(response, { message: "who are you?", data: { code: 7 } }, 403);
    }
    // In `data` is what a client that comes back was before.
    if ((hook.data.name ?? name) !== name) {
      return send(response, { message: "you were another", data: { code: 8 } }, 403);
    }
    const welcome = { to: [hook.socket], event: "welcome", args: [`Hello, ${name}`] };
    return send(response, { join: ["lobby"], data: { name }, emit: [welcome] });
  }
  if (hook.type === "event") {
    if (hook.event === "slow") {
      await new Promise((done) => setTimeout(done, 6000));
    }
    const args = [hook.data.name, ...hook.args];
    const others = { to: ["lobby"], except: [hook.socket], event: hook.event, args, attachments: hook.attachments };
    return send(response, { emit: [others], ack: ["ok", hook.args.length] });
  }
  for (const one of hook.hooks) {
    appendFileSync(process.env.LOG, `${one.type} ${one.reason ?? ""}\n`);
  }
  response.status(204);
}

function send(response, body, status = 200) {
  response.status(status).type("json").write(JSON.stringify(body));
}
app.listen(Number(process.argv[2]), "127.0.0.1");
