#!/usr/bin/python3
"""The synchronous client, over long-polling: asks a question, prints what is answered, and ends when somebody has
answered.

    export TOKEN=$(npx deskwire token --role customer --sub dave --name Dave)
    /usr/bin/python3 examples/python/ask.py http://localhost:3000 "Do you ship to Norway?"

The server may be killed at any time: the question is asked once, and no answer is missed.
Needs python-socketio and requests (Debian: python3-socketio python3-requests).
"""

import os
import sys
import threading
import time
import uuid

import socketio

ACK_TIMEOUT_SECONDS = 5
RETRY_SECONDS = 0.5

if len(sys.argv) != 3 or "TOKEN" not in os.environ:
    sys.exit('usage: TOKEN=… ask.py http://localhost:3000 "A question?"')
url, question = sys.argv[1:]

# Connecting again is done here: over polling this client takes it as final when the server closes a connection.
client = socketio.Client(reconnection=False)
# Each packet is handled in a thread of its own, so events may overtake each other. They only ring this bell; what there
# is to read, and in which order, says the log.
bell = threading.Event()
for name in ("disconnect", "message:created", "conversation:assigned", "conversation:closed"):
    client.on(name, lambda *_: bell.set())
client.on("typing:started", lambda event: print(f"{event['user']['name']} is typing", flush=True))

# Whether the server has let us in (its session:ready), or not (an error object).
welcome, verdict = threading.Event(), {}


@client.on("session:ready")
def on_ready(session):
    print(f"ready as {session['name']}", flush=True)
    welcome.set()


@client.on("connect_error")
def on_connect_error(error):
    verdict.update((isinstance(error, dict) and error.get("data")) or {})
    welcome.set()


def connect():
    while not client.connected:
        welcome.clear()
        try:
            client.connect(url, auth={"token": os.environ["TOKEN"]}, transports=["polling"], wait=False)
            if welcome.wait(ACK_TIMEOUT_SECONDS) and client.connected:
                return
            client.disconnect()
        except socketio.exceptions.ConnectionError as error:
            print(f"not connected: {error}", file=sys.stderr, flush=True)
        if verdict and not verdict["retryable"]:
            sys.exit(f"refused: {verdict['code']}: {verdict['message']}")
        time.sleep(RETRY_SECONDS)


def request(name, payload):
    """Sends a request until it is answered; repeating is safe, since of a client id the server keeps one message."""
    while True:
        connect()
        try:
            reply = client.call(name, payload, timeout=ACK_TIMEOUT_SECONDS)
        except socketio.exceptions.SocketIOError:
            continue
        if reply["ok"]:
            return reply["data"]
        error = reply["error"]
        if not error["retryable"]:
            sys.exit(f"{error['code']}: {error['message']}")
        time.sleep(error.get("retryAfterMs", RETRY_SECONDS * 1000) / 1000)


asked = request("message:send", {"clientMessageId": str(uuid.uuid4()), "text": question})["entry"]
print(f"stored as {asked['seq']}", flush=True)

last_seq, answered = asked["seq"], False
while not answered:
    bell.clear()
    page = request("conversation:join", {"conversationId": asked["conversationId"], "afterSeq": last_seq})
    for entry in page["entries"]:
        last_seq = entry["seq"]
        if entry["type"] == "message:created":
            # What the server says by itself (that the desk is closed, for one) has no author, and is no answer.
            author = entry["author"] or {"name": "the desk itself", "role": "customer"}
            print(f"{entry['seq']} {author['name']}: {entry['text']}", flush=True)
            answered = answered or author["role"] != "customer"
        elif entry["type"] == "conversation:assigned":
            print(f"{entry['seq']} {entry['assignee']['name']} answers", flush=True)
        elif entry["type"] == "conversation:closed":
            sys.exit("closed without an answer")
    if not answered and not page["hasMore"]:
        bell.wait()
client.disconnect()
