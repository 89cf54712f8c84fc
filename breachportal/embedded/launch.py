"""Become another program that dies with its parent, as another user where one is given.

Run by its path: `python -I -S launch.py PARENT SIGNAL UID GID COMMAND…` (0 0 keeps the user). It
takes the place of a `preexec_fn`, which may deadlock in a process with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, last_signal, uid, gid = (int(argument) for argument in sys.argv[1:5])
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which would forget it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_signal)
    if os.getppid() != parent:
        sys.exit("The parent has gone.")
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 (no shell is meant)


if __name__ == "__main__":
    main()
