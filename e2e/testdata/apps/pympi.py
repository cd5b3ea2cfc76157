"""mpi4py: pickled and buffer messages, matched probes, a grid and its halves, reductions by a Python function.

Called as the C programs are: STEPS PAUSE_US [GATE [MODE]]; see ../mpi/check.h.
"""
import hashlib
import os
import sys
import time

from mpi4py import MPI  # the library is loaded here, not at the program's start

import numpy as np

steps, pause = int(sys.argv[1]), int(sys.argv[2]) / 1e6
world = MPI.COMM_WORLD
me, size = world.rank, world.size
digest = hashlib.sha256()


def longest(a, b, dtype):
    """A user-defined reduction: of two records, the one with the larger first number."""
    x, y = (np.frombuffer(m, dtype="d").reshape(-1, 2) for m in (a, b))
    better = x[:, 0] > y[:, 0]
    y[better] = x[better]


def objects(k, up, down):
    thing = {"step": k, "from": me, "list": list(range(k % 50)), "text": "x" * (k * 37 % 5000)}
    req = world.isend(thing, dest=up, tag=k % 100)
    message = world.mprobe(source=down, tag=k % 100)
    got = message.recv()
    req.wait()
    assert got["step"] == k and got["from"] == down, got
    assert world.bcast(got, root=k % size)["step"] == k
    digest.update(repr(sorted(got.items())).encode())
    return world.allgather((me, k))


def arrays(k, op, record, halves, grid):
    a = np.sin(np.arange(1000) * (me + 1) + k)
    b = np.empty_like(a)
    left, right = grid.Shift(0, 1)
    grid.Sendrecv(a, dest=right, recvbuf=b, source=left)
    total = world.allreduce(float(np.round(b, 6).sum()), op=MPI.SUM)
    pairs = np.stack([np.round(a[:10], 6), np.full(10, float(me))], axis=1).copy()
    best = np.empty_like(pairs)
    world.Allreduce([pairs, 10, record], [best, 10, record], op=op)
    rows = halves.gather(k * 10 + me, root=0)
    digest.update(("%.6f %s %s" % (total, best[:, 1].tolist(), rows)).encode())


def main():
    op = MPI.Op.Create(longest, commute=True)
    record = MPI.DOUBLE.Create_contiguous(2).Commit()
    grid = world.Create_cart([size], periods=[True])
    halves = world.Split(me % 2, me)
    key = MPI.Comm.Create_keyval(copy_fn=lambda c, k, v: v + 1)
    grid.Set_attr(key, 41)
    for k in range(steps):
        assert objects(k, (me + 1) % size, (me - 1) % size) == [(r, k) for r in range(size)]
        arrays(k, op, record, halves, grid)
        twin = grid.Dup()
        assert twin.Get_attr(key) == 42
        twin.Free()
        try:
            world.Send(np.zeros(1), dest=size + 3)
            raise AssertionError("no exception for a bad rank")
        except MPI.Exception as e:
            assert e.Get_error_class() == MPI.ERR_RANK, e
        if me == 0:
            print("step", k, flush=True)
        if pause and not os.path.exists(os.environ.get("MANAE2E_HURRY", "")):
            time.sleep(pause)
    assert grid.Get_attr(key) == 41
    sums = world.gather(digest.hexdigest())
    if me == 0:
        print("RESULT pympi", hashlib.sha256(repr(sums).encode()).hexdigest(), flush=True)


main()
