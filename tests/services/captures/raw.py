"""Sends bytes as they are and reads until the other side is done, or gone. Usage: raw.py HOST PORT TEXT… (with \\r\\n and the like; one write each)"""

import contextlib
import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for text in sys.argv[3:]:
        s.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
