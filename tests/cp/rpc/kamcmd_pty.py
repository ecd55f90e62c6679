#!/usr/bin/env python3
"""Types keys into a program on a terminal and prints what the terminal showed.

    kamcmd_pty.py KEYS PROGRAM ARGUMENT...     KEYS: a Python list of byte strings, each sent when the
                                               program has been quiet for a moment

Exits with the program's status, 124 after ten seconds.
"""
import ast
import os
import pty
import select
import sys
import time

QUIET_SECONDS = 0.4
LIMIT_SECONDS = 10


def main():
    keys, command = ast.literal_eval(sys.argv[1]), sys.argv[2:]
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "dumb"
        os.execvp(command[0], command)
    shown = b""
    limit = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < limit:
        if select.select([terminal], [], [], QUIET_SECONDS)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # EIO: the program is gone
                piece = b""
            if not piece:
                break
            shown += piece
        elif keys:
            os.write(terminal, keys.pop(0))
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        sys.exit(124)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.buffer.write(shown)
    sys.exit(status)


if __name__ == "__main__":
    main()
