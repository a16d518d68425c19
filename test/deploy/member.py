#!/usr/bin/python3
"""A member of a conversation over long-polling, with nothing but python-socketio's own reconnection: sends numbered
messages at a pace and keeps what it sees. Prints one JSON object a line: {"ready": n} for each session, {"acknowledged": n}
for each message; after a first line of input {"stopped": true} once its last message is acknowledged, and after a second one,
which is a seq, {"seen": [[seq, id]…], "faults": [text…]} once it has seen that entry."""

import asyncio
import json
import os
import sys

import socketio

ACK_TIMEOUT_SECONDS = 5
RETRY_SECONDS = 0.1
SEE_SECONDS = 20

url, name, conversation_id, pace_ms = sys.argv[1:5]


def say(**fields):
    print(json.dumps(fields), flush=True)


class Member:
    def __init__(self):
        self.client = socketio.AsyncClient(reconnection_delay=0.2, reconnection_delay_max=1)
        self.ready = asyncio.Event()
        self.sessions, self.last_seq, self.live, self.stopping = 0, 0, False, False
        self.sent, self.seen, self.faults, self.joined_at = 0, [], [], 0
        self.client.on("session:ready", self.on_ready)
        self.client.on("disconnect", self.on_disconnect)
        self.client.on("*", self.on_any)

    async def on_ready(self, _session):
        self.sessions += 1
        self.ready.set()
        say(ready=self.sessions)
        await self.join(self.sessions)

    def on_disconnect(self, *_reason):
        self.ready.clear()
        self.live = False

    def on_any(self, event, payload):
        if payload.get("type") != event or not self.live:
            return
        if payload["seq"] != self.last_seq + 1:
            self.faults.append(f"session {self.sessions}: {payload['seq']} came after {self.last_seq}, joined at {self.joined_at}")
        self.take(payload)

    def take(self, entry):
        if entry["seq"] > self.last_seq:
            self.last_seq = entry["seq"]
            self.seen.append([entry["seq"], entry["id"]])

    async def ask(self, event, payload, take=lambda data: None, session=None):
        """Until it is answered, or the session is over that it is for; repeating is safe, since of a client id the server keeps
        one message."""
        while True:
            await self.ready.wait()
            if session not in (None, self.sessions):
                return
            answer = asyncio.get_running_loop().create_future()

            def on_reply(reply, answer=answer):
                if answer.done():
                    return
                if reply["ok"]:
                    take(reply["data"])
                answer.set_result(reply)

            try:
                await self.client.emit(event, payload, callback=on_reply)
                reply = await asyncio.wait_for(answer, ACK_TIMEOUT_SECONDS)
            except (asyncio.TimeoutError, socketio.exceptions.SocketIOError):
                # A late answer is to an old question.
                answer.cancel()
                continue
            if reply["ok"]:
                return
            if not reply["error"]["retryable"]:
                sys.exit(f"{event}: {reply['error']}")
            await asyncio.sleep(RETRY_SECONDS)

    async def join(self, session):
        page = {"hasMore": True}

        def take_page(data):
            if session != self.sessions:
                return
            for entry in data["entries"]:
                self.take(entry)
            page["hasMore"] = data["hasMore"]
            self.live = not data["hasMore"]
            self.joined_at = self.last_seq

        while page["hasMore"] and session == self.sessions:
            payload = {"conversationId": conversation_id, "afterSeq": self.last_seq, "limit": 100}
            # A join of an earlier session, sent again in this one, would make it page from there.
            await self.ask("conversation:join", payload, take_page, session)

    async def keep_sending(self):
        while not self.stopping:
            message = {"clientMessageId": f"{name}-{self.sent}", "text": f"{name} {self.sent}"}
            await self.ask("message:send", {"conversationId": conversation_id, **message})
            self.sent += 1
            say(acknowledged=self.sent)
            await asyncio.sleep(int(pace_ms) / 1000)

    async def seen_up_to(self, seq):
        while self.last_seq < seq:
            await asyncio.sleep(0.01)

    async def run(self):
        await self.client.connect(url, auth={"token": os.environ["TOKEN"]}, transports=["polling"])
        sending = asyncio.create_task(self.keep_sending())
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        # The first line ends the sending, the second says up to which seq there is something to see.
        await lines.readline()
        self.stopping = True
        await sending
        say(stopped=True)
        last = int(await lines.readline())
        try:
            await asyncio.wait_for(self.seen_up_to(last), SEE_SECONDS)
        except asyncio.TimeoutError:
            self.faults.append(
                f"session {self.sessions}: at {self.last_seq} instead of {last}, joined at {self.joined_at}, live {self.live}"
            )
        say(seen=self.seen, faults=self.faults)
        await self.client.disconnect()


asyncio.run(Member().run())
