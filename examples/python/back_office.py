#!/usr/bin/python3
"""A back office in a terminal, over WebSocket: takes a conversation that waits, prints what is said in it, and sends
each line typed here. With a customer's token the first line opens a conversation instead.

    export TOKEN=$(npx deskwire token --role agent --sub carol --name Carol)
    /usr/bin/python3 examples/python/back_office.py http://localhost:3000

The server may be killed at any time: everything is printed once and in order, and every line is sent once.
Needs python-socketio and aiohttp (Debian: python3-socketio python3-aiohttp). Ends when its input ends.
"""

import asyncio
import os
import sys
import threading
import uuid

import socketio

ACK_TIMEOUT_SECONDS = 5
RETRY_SECONDS = 0.5
# New work: what waits, and what the server or a colleague has given to this agent.
NEWS = [f"conversation:{fact}" for fact in ("opened", "reopened", "released", "assigned", "transferred")]


class BackOffice:
    def __init__(self):
        self.client = socketio.AsyncClient(reconnection_delay=0.2, reconnection_delay_max=2)
        self.ready = asyncio.Event()
        self.refused = asyncio.Event()
        self.refusal = None
        self.role = None
        self.conversation_id = None
        self.taken = asyncio.Event()
        self.looking = asyncio.Lock()
        self.last_seq = 0
        # Whether entries come as events: from the last page of a join until the connection is lost.
        self.live = False
        self.client.on("session:ready", self.on_ready)
        self.client.on("disconnect", self.on_disconnect)
        self.client.on("connect_error", self.on_connect_error)
        self.client.on("typing:started", self.on_typing)
        self.client.on("*", self.on_any)

    async def connect(self, url, token):
        """The first connection; afterwards the client connects again by itself."""
        while True:
            try:
                await self.client.connect(url, auth={"token": token}, transports=["websocket"], wait_timeout=10)
                return
            except socketio.exceptions.ConnectionError as error:
                print(f"not connected: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(RETRY_SECONDS)

    async def request(self, name, payload, take=lambda data: None):
        """Sends a request until it is answered; repeating is safe, since of a client id the server keeps one message.

        `take` gets the data in the very step in which it arrives: an event that comes right behind the answer is
        handled before whoever awaits the answer goes on.
        """
        while True:
            await self.ready.wait()
            answer = asyncio.get_running_loop().create_future()

            def on_reply(reply, answer=answer):
                if answer.done():
                    return
                if reply["ok"]:
                    take(reply["data"])
                answer.set_result(reply)

            try:
                await self.client.emit(name, payload, callback=on_reply)
                reply = await asyncio.wait_for(answer, ACK_TIMEOUT_SECONDS)
            except (asyncio.TimeoutError, socketio.exceptions.SocketIOError):
                continue
            if reply["ok"]:
                return reply["data"]
            error = reply["error"]
            if not error["retryable"]:
                raise RuntimeError(f"{error['code']}: {error['message']}")
            await asyncio.sleep(error.get("retryAfterMs", RETRY_SECONDS * 1000) / 1000)

    async def on_ready(self, session):
        print(f"ready as {session['name']}", flush=True)
        self.role = session["role"]
        self.ready.set()
        if self.role != "customer":
            # One at a time: that is what this terminal shows.
            await self.request("agent:status", {"status": "online", "capacity": 1})
        if self.conversation_id is None:
            await self.find_work()
        else:
            await self.join()

    def on_disconnect(self, *_reason):
        print("disconnected", flush=True)
        self.ready.clear()
        self.live = False

    def on_connect_error(self, error):
        # A refused token comes with an error object; after anything else the client tries again.
        data = error.get("data") if isinstance(error, dict) else None
        if data and not data["retryable"]:
            self.refusal = f"refused: {data['code']}: {data['message']}"
            self.refused.set()

    def on_typing(self, event):
        print(f"{event['user']['name']} is typing", flush=True)

    async def on_any(self, name, payload):
        """Entries come under the name of their type; agents also hear of new work this way."""
        if payload.get("type") != name:
            return
        if self.live:
            self.take(payload)
        if name in NEWS:
            await self.find_work()

    async def find_work(self):
        """Goes on with a conversation of this agent's, or takes the one that has waited longest."""
        async with self.looking:
            if self.role == "customer" or self.conversation_id is not None:
                return
            mine = await self.request("conversation:list", {"status": "assigned", "assignee": "me"})
            waiting = await self.request("conversation:list", {"status": "queued"})
            for conversation in mine["conversations"] + waiting["conversations"][::-1]:
                try:
                    await self.request("assignment:claim", {"conversationId": conversation["id"]})
                except RuntimeError as error:
                    print(f"not taken: {error}", flush=True)
                    continue
                await self.show(conversation["id"])
                self.taken.set()
                return

    async def show(self, conversation_id):
        self.conversation_id, self.last_seq, self.live = conversation_id, 0, False
        await self.join()

    async def join(self):
        """Reads what was missed, page by page; from the last page on, entries come as events."""
        page = {"hasMore": True}

        def take_page(data):
            for entry in data["entries"]:
                self.take(entry)
            self.live = not data["hasMore"]

        while page["hasMore"]:
            payload = {"conversationId": self.conversation_id, "afterSeq": self.last_seq}
            page = await self.request("conversation:join", payload, take_page)

    def take(self, entry):
        if entry["conversationId"] != self.conversation_id or entry["seq"] <= self.last_seq:
            return
        self.last_seq = entry["seq"]
        if entry["type"] == "message:created":
            # What the server says by itself has no author.
            name = entry["author"]["name"] if entry["author"] else "the desk itself"
            print(f"{entry['seq']} {name}: {entry['text']}", flush=True)
        elif entry["type"] == "conversation:assigned":
            print(f"{entry['seq']} {entry['assignee']['name']} answers", flush=True)
        elif entry["type"] == "conversation:transferred":
            print(f"{entry['seq']} transferred to {(entry['assignee'] or {'name': entry['department']})['name']}", flush=True)
        elif entry["type"] == "conversation:released":
            print(f"{entry['seq']} handed over: {entry.get('summary', 'without a word')}", flush=True)
        elif entry["type"] == "conversation:closed":
            print(f"{entry['seq']} closed", flush=True)

    async def send(self, text):
        await self.ready.wait()
        message = {"clientMessageId": str(uuid.uuid4()), "text": text}
        if self.role != "customer":
            await self.taken.wait()
            message["conversationId"] = self.conversation_id
        if self.live:
            # Nobody waits for an answer to this, so it asks for none.
            await self.client.emit("typing:start", {"conversationId": self.conversation_id})
        entry = (await self.request("message:send", message))["entry"]
        if entry["conversationId"] != self.conversation_id:
            await self.show(entry["conversationId"])
        print(f"stored as {entry['seq']}", flush=True)


def read_lines():
    """Lines of the standard input as a queue, None at its end. A thread reads them: reading would block the loop."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.strip())
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines


async def work(office, url):
    await office.connect(url, os.environ["TOKEN"])
    lines = read_lines()
    while (line := await lines.get()) is not None:
        if line:
            await office.send(line)


async def main():
    if len(sys.argv) != 2 or "TOKEN" not in os.environ:
        sys.exit("usage: TOKEN=… back_office.py http://localhost:3000")
    office = BackOffice()
    tasks = [asyncio.create_task(work(office, sys.argv[1])), asyncio.create_task(office.refused.wait())]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await office.client.disconnect()
    if office.refusal:
        sys.exit(office.refusal)
    for task in done:
        task.result()


asyncio.run(main())
