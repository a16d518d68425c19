#!/usr/bin/python3
"""Saves what customers send into a folder, and goes on with what they send next; with --once it ends when it has it all. A
supervisor's token sees every conversation without anybody being told.

    export TOKEN=$(npx deskwire token --role supervisor --sub archive --name Archive)
    /usr/bin/python3 examples/python/save_files.py http://localhost:3000 ./files

It may be stopped at any time, and so may the server: what is saved is whole, by its SHA-256, and is not fetched again. What it
needs is said in attachments.py.
"""

import argparse
import os
import re
import sys
import time

from attachments import Connection, Refused

# From one look to the next.
LOOK_SECONDS = 2

parser = argparse.ArgumentParser(description="Saves what customers send. The token is in TOKEN.")
parser.add_argument("url", help="such as http://localhost:3000")
parser.add_argument("folder")
parser.add_argument("--once", action="store_true", help="end when all of it is saved")
parser.add_argument("--transport", choices=["websocket", "polling"], default="websocket")
options = parser.parse_args()
if "TOKEN" not in os.environ:
    parser.error("set TOKEN to a token: npx deskwire token --role supervisor --sub archive")

connection = Connection(options.url, os.environ["TOKEN"], options.transport)
# How far each conversation is read.
read_up_to = {}


def every_conversation():
    cursor = None
    while True:
        page = connection.request("conversation:list", {"cursor": cursor} if cursor else {})
        yield from page["conversations"]
        cursor = page["nextCursor"]
        if cursor is None:
            return


def save(entry, attachment):
    # A name is for show: what some system would take for more than that is left out, and its end says what it is.
    shown = re.sub(r"[^\w. -]", "_", attachment["name"][-50:])
    name = f"{attachment['id']}-{shown}"
    path = os.path.join(options.folder, name)
    if os.path.exists(path):
        return
    try:
        connection.download(attachment, path)
    except (Refused, ValueError) as error:
        print(f"not saved: {name} in {entry['conversationId']}: {error}", file=sys.stderr, flush=True)
        return
    described = f"{attachment['mediaType']}, {attachment['size']} bytes"
    print(f"saved {name} of {entry['author']['name']}: {described}", flush=True)


def read_on(conversation):
    """Reads what is new in a conversation, page by page."""
    conversation_id, last_seq = conversation["id"], conversation["lastSeq"]
    while read_up_to.get(conversation_id, 0) < last_seq:
        payload = {"conversationId": conversation_id, "afterSeq": read_up_to.get(conversation_id, 0)}
        entries = connection.request("conversation:history", payload)["entries"]
        for entry in entries:
            if entry["author"] and entry["author"]["role"] == "customer":
                for attachment in entry.get("attachments", []):
                    save(entry, attachment)
        read_up_to[conversation_id] = entries[-1]["seq"] if entries else last_seq


os.makedirs(options.folder, exist_ok=True)
try:
    while True:
        for conversation in every_conversation():
            read_on(conversation)
        if options.once:
            break
        time.sleep(LOOK_SECONDS)
except Refused as refused:
    sys.exit(f"refused: {refused}")
except KeyboardInterrupt:
    pass
finally:
    connection.close()
