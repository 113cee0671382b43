"""What the fork server's tests have a process do: as it is told on standard input."""

import os
import signal
import sys
import time


def main() -> None:
    word, _, value = sys.stdin.readline().strip().partition(" ")
    if word == "say":
        print(value, os.environ["FORKED"])
        print(value, file=sys.stderr)
    elif word == "exit":
        sys.exit(int(value))
    elif word == "raise":
        raise ValueError(value)
    elif word == "die":
        os.kill(os.getpid(), getattr(signal, value))
    elif word == "compute":
        while time.process_time() < float(value):
            pass
