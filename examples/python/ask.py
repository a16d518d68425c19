#!/usr/bin/python3
"""The synchronous client, over long-polling: asks one question and waits for the first answer.

    DESKWIRE_TOKEN=$(npx deskwire token --role customer --sub dave --name Dave) \
        /usr/bin/python3 examples/python/ask.py http://localhost:3000 "Do you ship to Norway?"

Needs python-socketio and requests (Debian: python3-socketio python3-requests).
"""

import os
import sys
import threading
import uuid

import socketio

url, text = sys.argv[1], sys.argv[2]
client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=2)
answered = threading.Event()
ready = threading.Event()
stream = {"conversationId": None, "lastSeq": 0}


@client.on("session:ready")
def on_ready(session):
    print(f"ready as {session['name']}", flush=True)
    ready.set()
    if stream["conversationId"]:
        client.start_background_task(catch_up)


@client.on("disconnect")
def on_disconnect(*_reason):
    ready.clear()


@client.on("message:created")
def on_entry(entry):
    if entry["seq"] <= stream["lastSeq"]:
        return
    stream["lastSeq"] = entry["seq"]
    if entry.get("author") and entry["author"]["role"] != "customer":
        print(f"{entry['author']['name']}: {entry['text']}", flush=True)
        answered.set()


def request(name, payload):
    """Sends a request until it is answered: repeating is safe, since the server keeps one message of a client id."""
    while True:
        ready.wait()
        try:
            reply = client.call(name, payload, timeout=10)
        except socketio.exceptions.SocketIOError:
            client.sleep(0.2)
            continue
        if reply["ok"]:
            return reply["data"]
        if not reply["error"]["retryable"]:
            raise RuntimeError(f"{reply['error']['code']}: {reply['error']['message']}")
        client.sleep(reply["error"].get("retryAfterMs", 500) / 1000)


def catch_up():
    page = {"hasMore": True}
    while page["hasMore"]:
        page = request("conversation:join", {"conversationId": stream["conversationId"], "afterSeq": stream["lastSeq"]})
        for entry in page["entries"]:
            if entry["type"] == "message:created":
                on_entry(entry)


client.connect(url, auth={"token": os.environ["DESKWIRE_TOKEN"]}, transports=["polling"])
sent = request("message:send", {"clientMessageId": str(uuid.uuid4()), "text": text})
stream["conversationId"] = sent["entry"]["conversationId"]
print(f"stored as {sent['entry']['seq']}", flush=True)
answered.wait()
client.disconnect()
