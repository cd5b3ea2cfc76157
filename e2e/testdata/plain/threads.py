"""threads.py STEPS PAUSE_US FILE [child]: Python threads, queues, an open file and, if told so, a subprocess, each checked at every step."""
import hashlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 50
pause = (int(sys.argv[2]) if len(sys.argv) > 2 else 0) / 1e6
jobs, answers = queue.Queue(), queue.Queue()


def worker():
    while (job := jobs.get()) is not None:
        answers.put((job, hashlib.sha256(b"%d" % job).hexdigest()))


def check(cond, what):
    if not cond:
        print("FAIL", what, file=sys.stderr)
        os._exit(3)


threads = [threading.Thread(target=worker) for _ in range(8)]
for t in threads:
    t.start()
log = tempfile.TemporaryFile("w+")
cat = None
if len(sys.argv) > 4:
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
digest = hashlib.sha256()
pid = os.getpid()
for k in range(steps):
    for j in range(50):
        jobs.put(k * 50 + j)
    for job, text in sorted(answers.get(timeout=60) for _ in range(50)):
        digest.update(text.encode())
    check(os.getpid() == pid, "pid changed")
    if cat:
        cat.stdin.write(f"line {k}\n")
        cat.stdin.flush()
        check(cat.stdout.readline() == f"line {k}\n", "the child's answer")
    log.write(f"{k}\n")
    print("step", k, flush=True)
    if not os.path.exists(os.environ.get("MANAE2E_HURRY", "")):
        time.sleep(pause)
for t in threads:
    jobs.put(None)
for t in threads:
    t.join()
if cat:
    cat.stdin.close()
    check(cat.wait(timeout=60) == 0, "the child's status")
log.seek(0)
check(log.read().split() == [str(k) for k in range(steps)], "the log")
print("RESULT threads.py", steps, digest.hexdigest()[:16], flush=True)
