"""A subject that misbehaves as it is told: `misbehave.py command MODE INPUT OUTPUT` or `misbehave.py serve MODE PORT`."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

LINE = b"x" * 79 + b"\n"


def predict(source, target):
    """Write the right answer."""
    subprocess.check_call([sys.executable, "/app/predict.py", source, target], cwd="/app")


def flood(stream):
    while True:
        os.write(stream, LINE * 800)


def fork_without_end():
    while True:
        try:
            if os.fork() == 0:
                signal.pause()
        except OSError:
            time.sleep(0.01)


def exhaust_memory():
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * (8 << 20)))


def fail_after(source, target):
    predict(source, target)
    sys.exit("it was too much")


def fail_before(source, target):
    print("no weights here", file=sys.stderr)
    sys.exit(7)


def leave_a_child(source, target):
    """The child holds the output streams for ever."""
    predict(source, target)
    if os.fork() == 0:
        os.setsid()
        signal.pause()


def close_early(source, target):
    """End the output streams before the work is done."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(null, stream)
    time.sleep(0.5)
    predict(source, target)


COMMANDS = {
    "fail-before": fail_before,
    "fail-after": fail_after,
    "hang": lambda source, target: signal.pause(),
    "flood-stdout": lambda source, target: flood(1),
    "flood-stderr": lambda source, target: flood(2),
    "memory": lambda source, target: exhaust_memory(),
    "fork": lambda source, target: fork_without_end(),
    "symlink": lambda source, target: os.symlink("/etc/passwd", target),
    "folder": lambda source, target: os.mkdir(target),
    "fifo": lambda source, target: os.mkfifo(target),
    "absent": lambda source, target: None,
    "large": lambda source, target: open(target, "wb").write(LINE * 100000),
    "binary": lambda source, target: open(target, "wb").write(bytes(range(256)) * 64),
    "leave-a-child": leave_a_child,
    "close-early": close_early,
}


def reply(status, body, kind="application/json", length=None, more=""):
    size = len(body) if length is None else length
    head = "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (status, kind, size, more)
    return head.encode() + body


def huge(stream):
    stream.sendall(reply("200 OK", b"[", length=2 << 30))
    for _ in range((2 << 30) // len(LINE * 800)):
        stream.sendall(LINE * 800)


def drip(head):
    def answer(stream):
        stream.sendall(head)
        while True:
            stream.sendall(b"x")
            time.sleep(0.1)

    return answer


def die(stream):
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[")
    print("out of ideas", flush=True)
    os._exit(5)


def die_after(stream, request):
    """The right answer, and then the end."""
    sys.path.insert(0, "/app")
    from model import predict as model

    head, _, body = request.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < size:
        body += stream.recv(1 << 16)
    labels, probabilities = model(json.loads(body)["features"])
    answer = {"predicted_labels": labels.tolist(), "probabilities": probabilities.tolist()}
    stream.sendall(reply("200 OK", json.dumps(answer).encode()))
    os._exit(5)


ANSWERS = {
    "500": lambda stream: stream.sendall(reply("500 Internal Server Error", b'{"error": "no weights here"}')),
    "html": lambda stream: stream.sendall(reply("200 OK", b"<html><body>Welcome</body></html>", "text/html")),
    "truncated": lambda stream: stream.sendall(reply("200 OK", b'{"predicted_labels": ["ash", "bi')),
    "cut-off": lambda stream: stream.sendall(reply("200 OK", b'{"predicted_labels": ["ash"', length=900)),
    "nested": lambda stream: stream.sendall(reply("200 OK", b"[" * 100000)),
    "garbage": lambda stream: stream.sendall(b"\0\1\2\3 not HTTP at all\r\n\r\n"),
    "redirect": lambda stream: stream.sendall(
        reply("302 Found", b"", more="Location: http://127.0.0.1:1/\r\n")
    ),
    "huge": huge,
    "endless-headers": drip(b"HTTP/1.1 200 OK\r\nX-Name: "),
    "drip": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
    "silent": lambda stream: threading.Event().wait(),
    "die": die,
}


def handle(stream, mode):
    with stream:
        request = b""
        while b"\r\n\r\n" not in request:
            request += stream.recv(1 << 16)
        if request.startswith(b"GET /health"):
            stream.sendall(reply("200 OK", b"{}", more="Connection: close\r\n"))
            return
        try:
            if mode == "die-after":
                die_after(stream, request)
            ANSWERS[mode](stream)
        except OSError:
            pass


def serve(mode, port):
    if mode == "dies-at-start":
        sys.exit("no weights here")
    if mode == "port-never-opens":
        signal.pause()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", int(port)))
        listener.listen(16)
        if mode == "flood-log":
            threading.Thread(target=flood, args=(1,), daemon=True).start()
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=handle, args=(stream, mode), daemon=True).start()


if sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    COMMANDS[sys.argv[2]](*sys.argv[3:])
