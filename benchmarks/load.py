"""Closed-loop clients: each connection posts, waits for the answer and posts again. A process of its own, and cheap.

`python -m benchmarks.load` reads a `plan` from its standard input and prints what it saw, both as JSON.
"""

import json
import selectors
import socket
import statistics
import subprocess
import sys
import time
import uuid

ID = b"{event_id}"
HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
ID_LENGTH = 36


def request_of(path, body, *, kind, headers):
    """One request as text; each `{event_id}` in its body becomes an id of its own whenever it is sent."""
    length = len(body.encode()) + body.count(ID.decode()) * (ID_LENGTH - len(ID))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return HEAD.format(path=path, headers=lines, kind=kind, length=length) + body


def run(port, requests, seconds):
    """Let a process of its own post these requests, one connection for each, for so many seconds."""
    plan = json.dumps({"port": port, "requests": requests, "seconds": seconds})
    command = [sys.executable, "-m", "benchmarks.load"]
    return json.loads(subprocess.run(command, input=plan, text=True, stdout=subprocess.PIPE, check=True).stdout)


class Client:
    """One connection with its one request."""

    def __init__(self, port, request):
        self.parts = request.encode().split(ID)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.times = []

    def send(self):
        """Post, with fresh ids."""
        whole = self.parts[0]
        for part in self.parts[1:]:
            whole += str(uuid.uuid4()).encode() + part
        self.answer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(whole)

    def receive(self):
        """Take what has come; answers whether that was all. Raises for any answer but a success."""
        self.answer += self.socket.recv(262_144)
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return False
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return False
        if not head.startswith(b"HTTP/1.1 200") or b'"rejected"' in body or b'"success":false' in body:
            raise ValueError(self.answer[:500])
        self.times.append(time.perf_counter() - self.sent_at)
        return True


def post(plan):
    """Post until the time is over; answers how many were answered within it, how long it was and how long they took."""
    clients = [Client(plan["port"], request) for request in plan["requests"]]
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        began = time.perf_counter()
        for client in clients:
            client.send()
        while (now := time.perf_counter()) - began < plan["seconds"]:
            for key, _ in selector.select(1):
                if key.data.receive():
                    key.data.send()
    times = sorted(seconds * 1000 for client in clients for seconds in client.times)
    middle, late = statistics.median(times), times[len(times) * 99 // 100]
    return {"count": len(times), "seconds": now - began, "p50_ms": middle, "p99_ms": late}


if __name__ == "__main__":
    print(json.dumps(post(json.load(sys.stdin))))
