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
  if (!signed(request) || seen.has(id)) {
    return response.status(401).json({ message: "wrong signature, or seen before" });
  }
  seen.add(id);
  const hook = JSON.parse(request.body);
  if (hook.type === "connect") {
    const name = hook.auth.name;
    if (typeof name !== "string") {
      return response.status(403).json({ message: "who are you?", data: { code: 7 } });
    }
    // In `data` is what a client that comes back was before.
    if ((hook.data.name ?? name) !== name) {
      return response.status(403).json({ message: "you were another", data: { code: 8 } });
    }
    const welcome = { to: [hook.socket], event: "welcome", args: [`Hello, ${name}`] };
    return response.json({ join: ["lobby"], data: { name }, emit: [welcome] });
  }
  if (hook.type === "event") {
    if (hook.event === "slow") {
      await new Promise((done) => setTimeout(done, 1000));
    }
    const args = [hook.data.name, ...hook.args];
    const others = { to: ["lobby"], except: [hook.socket], event: hook.event, args, attachments: hook.attachments };
    return response.json({ emit: [others], ack: ["ok", hook.args.length] });
  }
  for (const one of hook.hooks) {
    appendFileSync(process.env.LOG, `${one.type} ${one.reason ?? ""}\n`);
  }
  response.status(204).end();
});
app.listen(Number(process.argv[2]), "127.0.0.1");
