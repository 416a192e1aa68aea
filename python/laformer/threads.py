"""Solves small problems on one libtorch thread, even if several Python threads solve problems at the same time."""

import contextlib
import os
import threading

import torch

# Up to this many numbers in the operands, one thread is as fast as several.
SMALL = 1024


class Threads:
    """Sets libtorch's number of threads, a setting of the whole process. The first of several overlapping calls stores the old number."""

    def __init__(self):
        self.lock, self.calls, self.usual = threading.Lock(), 0, 1
        self.forked = False

    def after_fork(self):
        """Keeps a forked process on one thread. OpenMP's threads do not survive a fork, so the process would wait for them forever."""
        self.__init__()
        self.forked = True

    @contextlib.contextmanager
    def of(self, numbers):
        """A context that runs a problem with `numbers` elements: on one thread if it is small, otherwise on all threads."""
        if numbers > SMALL and not self.forked:
            yield
            return
        with self.lock:
            if self.calls == 0:
                self.usual = torch.get_num_threads()
            self.calls += 1
            torch.set_num_threads(1)
        try:
            yield
        finally:
            with self.lock:
                self.calls -= 1
                torch.set_num_threads(self.usual)


THREADS = Threads()
os.register_at_fork(after_in_child=THREADS.after_fork)
