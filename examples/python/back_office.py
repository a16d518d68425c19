#!/usr/bin/python3
"""A back-office job: opens a conversation, sends, follows the answers, and goes on after the server was restarted.

    DESKWIRE_TOKEN=$(npx deskwire token --role customer --sub carol --name Carol) \
        /usr/bin/python3 examples/python/back_office.py http://localhost:3000 "Where is my order?"

Needs python-socketio and aiohttp (Debian: python3-socketio python3-aiohttp). Lines read from standard input are
sent too; it ends when its input ends and everything is acknowledged.
"""

import asyncio
import os
import sys
import uuid

import socketio


class Conversation:
    """One conversation, complete and in order, whatever happens to the connection."""

    def __init__(self, url, token):
        self.url = url
        self.token = token
        self.conversation_id = None
        self.last_seq = 0
        self.outbox = []
        self.ready = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection_delay=0.2, reconnection_delay_max=2)
        self.client.on("session:ready", self.on_ready)
        self.client.on("disconnect", self.on_disconnect)
        self.client.on("message:created", self.on_entry)
        self.client.on("conversation:assigned", self.on_entry)
        self.client.on("typing:started", self.on_typing)

    async def connect(self):
        while True:
            try:
                await self.client.connect(self.url, auth={"token": self.token}, transports=["websocket"])
                return
            except socketio.exceptions.ConnectionError as error:
                print(f"not connected: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(0.5)

    async def request(self, name, payload):
        """Sends a request until it is answered: repeating is safe, since the server keeps one message of a client id."""
        while True:
            await self.ready.wait()
            try:
                reply = await self.client.call(name, payload, timeout=10)
            except (socketio.exceptions.SocketIOError, asyncio.TimeoutError):
                await asyncio.sleep(0.1)
                continue
            if reply["ok"]:
                return reply["data"]
            if not reply["error"]["retryable"]:
                raise RuntimeError(f"{name}: {reply['error']['code']}: {reply['error']['message']}")
            await asyncio.sleep(reply["error"].get("retryAfterMs", 500) / 1000)

    async def on_ready(self, session):
        print(f"ready as {session['name']}", flush=True)
        self.ready.set()
        if self.conversation_id is not None:
            asyncio.ensure_future(self.join())

    async def on_disconnect(self, *_reason):
        self.ready.clear()

    async def join(self):
        """Reads what was missed; after the last page entries come as events."""
        has_more = True
        while has_more:
            page = await self.request("conversation:join", {"conversationId": self.conversation_id, "afterSeq": self.last_seq})
            for entry in page["entries"]:
                await self.on_entry(entry)
            has_more = page["hasMore"]

    async def on_entry(self, entry):
        if entry["seq"] <= self.last_seq:
            return
        self.last_seq = entry["seq"]
        if entry["type"] == "message:created":
            print(f"{entry['seq']} {entry['author']['name']}: {entry['text']}", flush=True)
        else:
            print(f"{entry['seq']} {entry['assignee']['name']} answers", flush=True)

    async def on_typing(self, event):
        print(f"{event['user']['name']} is typing", flush=True)

    async def send(self, text):
        message = {"clientMessageId": str(uuid.uuid4()), "text": text}
        if self.conversation_id is not None:
            # Nobody waits for an answer to this one, so it goes without an acknowledgement.
            if self.client.connected:
                await self.client.emit("typing:start", {"conversationId": self.conversation_id})
            message["conversationId"] = self.conversation_id
        data = await self.request("message:send", message)
        self.conversation_id = data["entry"]["conversationId"]
        print(f"stored as {data['entry']['seq']}", flush=True)


async def main():
    url, *texts = sys.argv[1:] or ["http://localhost:3000"]
    conversation = Conversation(url, os.environ["DESKWIRE_TOKEN"])
    await conversation.connect()
    for text in texts:
        await conversation.send(text)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip():
            await conversation.send(line.strip())
    await conversation.client.disconnect()


asyncio.run(main())
