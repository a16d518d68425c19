#!/usr/bin/python3
"""Sends a file, with a word if you like. A customer's goes to his open conversation, or opens one; agents and bots say which.

    export TOKEN=$(npx deskwire token --role customer --sub dave --name Dave)
    /usr/bin/python3 examples/python/send_file.py http://localhost:3000 invoice.pdf --text "This one is wrong."

The server may be killed at any time: the file goes on from where it was, and is sent once. `--transport polling` where
WebSocket does not get through. What it needs is said in attachments.py.
"""

import argparse
import os
import sys
import uuid

from attachments import Connection, Refused

parser = argparse.ArgumentParser(description="Sends a file. The token is in TOKEN.")
parser.add_argument("url", help="such as http://localhost:3000")
parser.add_argument("file")
parser.add_argument("--text", help="words that go with it")
parser.add_argument("--conversation", help="id of the conversation; customers need none")
parser.add_argument("--transport", choices=["websocket", "polling"], default="websocket")
options = parser.parse_args()
if "TOKEN" not in os.environ:
    parser.error("set TOKEN to a token: npx deskwire token --role customer --sub dave")
if not os.path.isfile(options.file):
    parser.error(f"there is no file {options.file}")

size, last = os.path.getsize(options.file), None


def show(state, received_bytes):
    """A line for every tenth of it, and for whatever else happens."""
    global last
    line = f"sent {10 * received_bytes // size * 10} %" if state == "sending" else state
    if line != last:
        print(line, flush=True)
    last = line


connection = Connection(options.url, os.environ["TOKEN"], options.transport)
try:
    connection.connect()
    conversation_id = options.conversation
    if conversation_id is None:
        if connection.session["role"] != "customer":
            sys.exit("say which conversation: --conversation ID")
        conversation_id = connection.request("conversation:open", {})["conversation"]["id"]
    attachment = connection.upload(options.file, conversation_id, show)
    message = {"clientMessageId": str(uuid.uuid4()), "attachmentIds": [attachment["id"]]}
    if options.text:
        message["text"] = options.text
    entry = connection.request("message:send", {"conversationId": conversation_id, **message})["entry"]
    print(f"stored as {entry['seq']} in {entry['conversationId']}", flush=True)
except Refused as refused:
    sys.exit(f"refused: {refused}")
finally:
    connection.close()
