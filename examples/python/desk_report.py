#!/usr/bin/python3
"""The desk at this moment, for a back office: who is there and how busy, who waits and where, and who has waited longest.

    export TOKEN=$(npx deskwire token --role supervisor --sub mo --name Mo)
    /usr/bin/python3 examples/python/desk_report.py http://localhost:3000

Prints once and ends; exit code 1 when the server can't be reached or refuses.
Needs python-socketio and requests (Debian: python3-socketio python3-requests).
"""

import os
import sys
import threading
from datetime import datetime

import socketio

TIMEOUT_SECONDS = 10

if len(sys.argv) != 2 or "TOKEN" not in os.environ:
    sys.exit("usage: TOKEN=… desk_report.py http://localhost:3000")

client = socketio.Client(reconnection=False)
# The server says session:ready first of all, or why it does not let us in.
welcome, session, refusal = threading.Event(), {}, {}


@client.on("session:ready")
def on_ready(data):
    session.update(data)
    welcome.set()


@client.on("connect_error")
def on_connect_error(error):
    refusal.update((isinstance(error, dict) and error.get("data")) or {})
    welcome.set()


def leave(message):
    # Connected or not: the client's threads would keep the process alive.
    client.disconnect()
    sys.exit(message)


def request(name, payload):
    reply = client.call(name, payload, timeout=TIMEOUT_SECONDS)
    if not reply["ok"]:
        leave(f"{reply['error']['code']}: {reply['error']['message']}")
    return reply["data"]


def conversations(**filters):
    """All pages of a list."""
    cursor = {}
    while True:
        page = request("conversation:list", {**filters, **cursor})
        yield from page["conversations"]
        if page["nextCursor"] is None:
            return
        cursor = {"cursor": page["nextCursor"]}


def moment(text):
    # Python before 3.11 does not know the Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def waits_since(conversation):
    """From its opening, or from when it was last reopened: the order of the queue, among equal priorities."""
    entries = request("conversation:history", {"conversationId": conversation["id"]})["entries"]
    opened = [entry["at"] for entry in entries if entry["type"] in ("conversation:opened", "conversation:reopened")]
    return moment(opened[-1] if opened else conversation["createdAt"])


def in_words(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


try:
    client.connect(url=sys.argv[1], auth={"token": os.environ["TOKEN"]}, transports=["polling"], wait=False)
except socketio.exceptions.ConnectionError as error:
    sys.exit(f"not connected: {error}")
welcome.wait(TIMEOUT_SECONDS)
if not session:
    leave(f"refused: {refusal['code']}: {refusal['message']}" if refusal else "not connected: no answer")

agents = request("agent:list", {})["agents"]
print("agents")
for agent in agents:
    departments = ", ".join(agent["departments"]) or "-"
    load = f"{agent['activeCount']} of {agent['capacity']}"
    print(f"  {agent['name']:<12} {agent['role']:<10} {agent['status']:<8} {load:<10} {departments}")

# Between the list and this line somebody may have been served: then there is no place to print.
waiting = [one for one in conversations(status="queued") if one["queue"] is not None]
waiting.sort(key=lambda one: (one["department"] or "", one["queue"]["position"]))
# The server's clock, since the entries' times are its own.
now = moment(session["serverTime"])
waits = [(max(0, (now - waits_since(one)).total_seconds()), one) for one in waiting]
print(f"waiting: {len(waits)}")
for seconds, one in waits:
    place, department = one["queue"], one["department"] or "-"
    about = f"{place['basis']}, {place['estimatedWaitMs'] // 1000} s to go" if place["estimatedWaitMs"] else place["basis"]
    print(f"  {place['position']:>3} {one['customer']['name']:<12} {department:<10} {one['priority']:<7} {in_words(seconds):>6} {about}")
if waits:
    seconds, one = max(waits, key=lambda wait: wait[0])
    print(f"oldest wait: {in_words(seconds)} ({one['customer']['name']})")
client.disconnect()
