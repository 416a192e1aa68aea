"""Small problems on one thread, whichever threads of Python ask for it."""

import contextlib
import os
import threading

import torch

# Operands of so many numbers are solved by one thread: more threads gain nothing.
SMALL = 1024


class Threads:
    """The number of threads of libtorch, which belongs to the process. The first call that lowers it knows what it was."""

    def __init__(self):
        self.lock, self.calls, self.usual = threading.Lock(), 0, 1
        self.forked = False

    def after_fork(self):
        """The threads of OpenMP do not survive a fork: a child that waits for them waits for ever."""
        self.__init__()
        self.forked = True

    @contextlib.contextmanager
    def of(self, numbers):
        """Runs a problem of so many numbers on the threads that it needs."""
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
