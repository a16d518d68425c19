"""What send_file.py and save_files.py share, and what you would copy: a connection that comes back, files to send in chunks,
and downloads that end with the right bytes or not at all.

Needs python-socketio and requests, over WebSocket also websocket-client (Debian: python3-socketio python3-requests
python3-websocket).
"""

import hashlib
import os
import queue
import sys
import threading
import time
import urllib.parse
import uuid

import requests
import socketio

# A slow line takes its time with two chunks; what has no answer by then is asked for on a new connection.
ACK_TIMEOUT_SECONDS = 30
RETRY_SECONDS = 0.5
LOOK_SECONDS = 1
IN_FLIGHT = 2
HTTP_TIMEOUT_SECONDS = 30
PIECE_BYTES = 65_536
# Where to go on, the next attachment:begin says.
GO_ON = ("offset_mismatch", "attachment_incomplete")


class Refused(Exception):
    """What the server refuses, and would refuse again: `code` is the server's."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]


class Lost(Exception):
    """The connection was lost, or the server asks to wait: to be tried again."""

    def __init__(self, wait_seconds=RETRY_SECONDS):
        super().__init__("no answer")
        self.wait_seconds = wait_seconds


class Connection:
    """A connection that is made anew whenever it is needed. `transport` is `polling` or `websocket`."""

    def __init__(self, url, token, transport="websocket"):
        self.url, self.token, self.transport = url, token, transport
        self.session = None
        self.client = None
        # Where the answers go that are waited for: None when none will come.
        self.answers = queue.Queue()

    def connect(self):
        """Connects where there is no connection. Done here, with a new client each time: over polling python-socketio takes it
        as final when the server closes a connection. Raises Refused."""
        while self.client is None or not self.client.connected:
            if not self.try_to_connect():
                time.sleep(RETRY_SECONDS)

    def try_to_connect(self):
        client = self.client = socketio.Client(reconnection=False)
        self.session = None
        welcome, verdict = threading.Event(), {}

        def on_ready(session):
            self.session = session
            welcome.set()

        def on_connect_error(error):
            verdict.update((isinstance(error, dict) and error.get("data")) or {})
            welcome.set()

        def on_disconnect(*_reason):
            if client is self.client:
                self.answers.put(None)

        def connect():
            try:
                client.connect(self.url, auth={"token": self.token}, transports=[self.transport], wait=False)
            except socketio.exceptions.ConnectionError as error:
                print(f"not connected: {error}", file=sys.stderr, flush=True)
                welcome.set()

        client.on("session:ready", on_ready)
        client.on("connect_error", on_connect_error)
        client.on("disconnect", on_disconnect)
        # Threads are daemons if the one that starts them is. One of a lost connection may wait for a poll until the server
        # answers that, and must not keep the program from ending.
        connecting = threading.Thread(target=connect, daemon=True)
        connecting.start()
        # Both: what the server says first may be here before the client counts as connected.
        connecting.join()
        welcome.wait(ACK_TIMEOUT_SECONDS)
        if verdict and not verdict["retryable"]:
            raise Refused(verdict)
        if self.session is None or not client.connected:
            client.disconnect()
            return False
        print(f"ready as {self.session['name']}", flush=True)
        return True

    def close(self):
        if self.client is not None and self.client.connected:
            writing = self.client.eio.write_loop_task
            self.client.disconnect()
            # The farewell is sent by a thread that ends with the program.
            writing.join(LOOK_SECONDS)

    def ask(self, name, payload):
        """Sends a request once. Raises Refused, or Lost when there was no answer or none for now."""
        self.connect()
        self.answers = queue.Queue()
        self.emit(name, payload)
        return self.next_answer()

    def emit(self, name, payload):
        try:
            self.client.emit(name, payload, callback=self.answers.put)
        except socketio.exceptions.SocketIOError:
            raise Lost() from None

    def next_answer(self):
        """What the server answers next. Raises Refused, or Lost."""
        deadline = time.monotonic() + ACK_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                reply = self.answers.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                # Over polling python-socketio stops writing when one POST gets no answer, and says nothing of it.
                if self.client.eio.write_loop_task.is_alive():
                    continue
                break
            if reply is None:
                raise Lost()
            return data_of(reply)
        self.close()
        raise Lost()

    def request(self, name, payload):
        """Sends a request until it is answered."""
        while True:
            try:
                return self.ask(name, payload)
            except Lost as lost:
                time.sleep(lost.wait_seconds)

    def upload(self, path, conversation_id, on_progress=lambda state, received_bytes: None):
        """Sends a file; gives the attachment, whose `id` goes into the `attachmentIds` of a message. Raises Refused."""
        begin = {
            "conversationId": conversation_id,
            # The same for every try: of one id the server keeps one attachment.
            "clientAttachmentId": str(uuid.uuid4()),
            "name": os.path.basename(path),
            "size": os.path.getsize(path),
            "sha256": hash_of(path),
        }
        with open(path, "rb") as file:
            while True:
                try:
                    return self.go_on(file, begin, on_progress)
                except Lost as lost:
                    time.sleep(lost.wait_seconds)
                except Refused as refused:
                    if refused.code not in GO_ON:
                        raise
                    time.sleep(RETRY_SECONDS)
                on_progress("waiting", None)

    def go_on(self, file, begin, on_progress):
        """Sends what the server does not have yet, and has the whole checked."""
        begun = self.ask("attachment:begin", begin)
        on_progress("sending", begun["receivedBytes"])
        self.send_chunks(file, begin["size"], begun, on_progress)
        on_progress("checking", begin["size"])
        while True:
            # Answered after a few seconds in any case: a virus scanner may take longer.
            attachment = self.ask("attachment:finish", {"attachmentId": begun["attachmentId"]})["attachment"]
            if attachment["state"] == "ready":
                return attachment

    def send_chunks(self, file, size, begun, on_progress):
        """Two are under way at a time: while one is answered the next is on the line."""
        self.connect()
        self.answers = queue.Queue()
        offset, in_flight = begun["receivedBytes"], 0
        file.seek(offset)
        while offset < size or in_flight > 0:
            if offset < size and in_flight < IN_FLIGHT:
                data = file.read(begun["chunkBytes"])
                if not data:
                    raise Refused({"code": "unreadable", "message": "the file is shorter than it was"})
                self.emit("attachment:chunk", {"attachmentId": begun["attachmentId"], "offset": offset, "data": data})
                offset, in_flight = offset + len(data), in_flight + 1
            else:
                on_progress("sending", self.next_answer()["receivedBytes"])
                in_flight -= 1

    def download(self, attachment, path):
        """Downloads a file of a message to `path`, which is not there before it is whole. A lost connection is gone on with,
        and a link that has ended is asked for anew. Raises Refused when it is no longer there, ValueError when the bytes
        are not those that were sent."""
        part, link = f"{path}.part", attachment["url"]
        while True:
            try:
                fetch_rest(urllib.parse.urljoin(self.url, link), part)
                if os.path.getsize(part) >= attachment["size"]:
                    break
            except Refused as refused:
                if refused.code != "forbidden":
                    raise
                link = self.request("attachment:link", {"attachmentId": attachment["id"]})["url"]
            except (Lost, requests.RequestException):
                time.sleep(RETRY_SECONDS)
        if hash_of(part) != attachment["sha256"]:
            os.remove(part)
            raise ValueError(f"what came is not the file with the SHA-256 {attachment['sha256']}")
        os.replace(part, path)


def data_of(reply):
    if reply["ok"]:
        return reply["data"]
    error = reply["error"]
    if error["retryable"]:
        raise Lost(error.get("retryAfterMs", RETRY_SECONDS * 1000) / 1000)
    raise Refused(error)


def hash_of(path):
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def fetch_rest(link, part):
    """The rest of a file, behind what is there already."""
    start = os.path.getsize(part) if os.path.exists(part) else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    with requests.get(link, headers=headers, stream=True, timeout=HTTP_TIMEOUT_SECONDS) as response:
        # 416: nothing is missing.
        if response.status_code == 416:
            return
        if response.status_code == 429 or response.status_code >= 500:
            raise Lost()
        if not response.ok:
            problem = response.json()
            raise Refused({"code": problem["code"], "message": problem["detail"]})
        with open(part, "ab" if response.status_code == 206 else "wb") as file:
            for piece in response.iter_content(PIECE_BYTES):
                file.write(piece)
