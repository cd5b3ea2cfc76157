"""pythreads.py STEPS PAUSE_US: threads, queues, a pool, an event loop and an open file, checked at every step."""
import asyncio
import hashlib
import queue
import sys
import tempfile
import threading
import time

steps, pause = int(sys.argv[1]), int(sys.argv[2]) / 1e6
jobs, answers = queue.Queue(), queue.Queue()


def worker():
    while (job := jobs.get()) is not None:
        answers.put((job, hashlib.sha256(b"%d" % job).hexdigest()))


async def tick(n):
    await asyncio.sleep(0.001)
    return n * n


async def ticks():
    return await asyncio.wait_for(asyncio.gather(*(tick(n) for n in range(5))), 60)


threads = [threading.Thread(target=worker) for _ in range(8)]
for t in threads:
    t.start()
log = tempfile.TemporaryFile("w+")
loop = asyncio.new_event_loop()
digest = hashlib.sha256()
for k in range(steps):
    for j in range(50):
        jobs.put(k * 50 + j)
    for job, text in sorted(answers.get(timeout=60) for _ in range(50)):
        digest.update(text.encode())
    squares = loop.run_until_complete(ticks())
    assert squares == [0, 1, 4, 9, 16], squares
    log.write(f"line {k}\n")
    time.sleep(pause)
for _ in threads:
    jobs.put(None)
for t in threads:
    t.join()
log.seek(0)
assert len(log.readlines()) == steps
print("RESULT", digest.hexdigest())
