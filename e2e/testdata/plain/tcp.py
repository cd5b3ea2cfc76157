"""tcp.py STEPS PAUSE_US PORTFILE [alone]: a client with data in flight in both directions; every byte that comes back is checked.
tcp.py serve PORTFILE: its server, a child unless the client was told that it is alone."""
import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time

BLOCK, OUT = 64 << 10, 24
FLIP = bytes(255 - b for b in range(256))


def listener():
    """At a port that the kernel gives to nobody who does not ask: between a kill and a restart it stays free."""
    for i in range(20000):
        try:
            return socket.create_server(("127.0.0.1", 10000 + (os.getpid() * 7 + i) % 20000))
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise
    raise SystemExit("no port is free")


def serve(path):
    with listener() as s:
        with open(path + ".tmp", "w") as f:
            print(s.getsockname()[1], file=f)
        os.rename(path + ".tmp", path)
        conn, _ = s.accept()
    while data := conn.recv(BLOCK):
        conn.sendall(data.translate(FLIP))
    conn.close()


def block(n):
    return hashlib.sha256(b"%d" % n).digest() * (BLOCK // 32)


def check(cond, what):
    if not cond:
        print("FAIL", what, file=sys.stderr)
        os._exit(3)


def send_all(conn, room, stop):
    """Keeps so many blocks under way."""
    n = 0
    while not stop.is_set():
        room.acquire()
        conn.sendall(block(n))
        n += 1
    conn.shutdown(socket.SHUT_WR)


def receive(conn, size):
    data = bytearray()
    while len(data) < size and (more := conn.recv(size - len(data))):
        data += more
    return bytes(data)


def main(steps, pause, path, alone):
    server = None
    if not alone:
        if os.path.exists(path):
            os.unlink(path)
        server = subprocess.Popen([sys.executable, __file__, "serve", path])
    while not os.path.exists(path):
        time.sleep(0.01)
    with open(path) as f:
        conn = socket.create_connection(("127.0.0.1", int(f.read())))
    names = conn.getsockname(), conn.getpeername()
    room, stop, got = threading.Semaphore(OUT), threading.Event(), 0
    sender = threading.Thread(target=send_all, args=(conn, room, stop))
    sender.start()
    for k in range(steps):
        for _ in range(4):
            check(receive(conn, BLOCK).translate(FLIP) == block(got), f"block {got}")
            got += 1
            room.release()
        check((conn.getsockname(), conn.getpeername()) == names, "the addresses")
        print("step", k, flush=True)
        if not os.path.exists(os.environ.get("MANAE2E_HURRY", "")):
            time.sleep(pause)
    stop.set()
    room.release()
    while data := receive(conn, BLOCK):
        check(data.translate(FLIP) == block(got), f"block {got} at the end")
        got += 1
    sender.join()
    if server:
        check(server.wait(timeout=60) == 0, "the server's status")
    print("RESULT tcp.py", steps, flush=True)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    main(int(sys.argv[1]), int(sys.argv[2]) / 1e6, sys.argv[3], len(sys.argv) > 4)
