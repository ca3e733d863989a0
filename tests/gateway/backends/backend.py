"""A chat with login, in Flask. `python backend.py 8000`"""

import base64, hashlib, hmac, os, sys, time

from flask import Flask, jsonify, request

app = Flask(__name__)
seen = set()


def signed():
    """Standard Webhooks: the signature covers id, timestamp and body."""
    id, moment = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    if abs(time.time() - int(moment)) > 300:
        return False
    message = f"{id}.{moment}.".encode() + request.get_data()
    given = request.headers.get("webhook-signature", "").split()
    for secret in os.environ["WEBHOOK_SECRETS"].split():
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = "v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()
        if any(hmac.compare_digest(right, one) for one in given):
            return True
    return False


@app.post("/")
def hook():
    if not signed():
        return jsonify(message="wrong signature"), 500
    # What has been done is not done again: a batch whose answer was lost comes again with its id.
    if request.headers["webhook-id"] in seen:
        return {}
    hook = request.get_json()
    if hook["type"] == "connect":
        name = hook["auth"].get("name")
        if not isinstance(name, str):
            return jsonify(message="who are you?", data={"code": 7}), 403
        # In `data` is what a client that comes back was before.
        if hook["data"].get("name", name) != name:
            return jsonify(message="you were another", data={"code": 8}), 403
        welcome = {"to": [hook["socket"]], "event": "welcome", "args": [f"Hello, {name}"]}
        return {"join": ["lobby"], "data": {"name": name}, "emit": [welcome]}
    if hook["type"] == "event":
        if hook["event"] == "slow":
            time.sleep(6)
        args = [hook["data"]["name"], *hook["args"]]
        others = {"to": ["lobby"], "except": [hook["socket"]], "event": hook["event"], "args": args}
        others["attachments"] = hook.get("attachments", [])
        return {"emit": [others], "ack": ["ok", len(hook["args"])]}
    with open(os.environ["LOG"], "a") as log:
        for one in hook["hooks"]:
            log.write(f"{one['type']} {one.get('reason', '')}\n")
    return "", 204


@app.after_request
def remember(response):
    if response.status_code < 500:
        seen.add(request.headers["webhook-id"])
    return response


app.run(port=int(sys.argv[1]), threaded=True)
