"""Makes a capture that does not happen by itself out of one that does. Usage: rewrite.py IN.pcap OUT.pcap OPERATION [ARGUMENT…]

vlan            each frame gets two VLAN tags (802.1ad 7, 802.1Q 42)
drop N…         without these packets, counted from 1
swap N M        these two packets in each other's place, their stamps left where they were
dup N…          these packets twice
from PORT       only what was sent from this port
to PORT         only what was sent to it
cut BYTES       frames cut to a snaplen
midway N        from packet N on
"""

import struct
import sys

source, target, operation, *arguments = sys.argv[1:]
numbers = [int(a) for a in arguments]
data = open(source, "rb").read()
assert data[:4] == b"\x4d\x3c\xb2\xa1", "not a little-endian nanosecond pcap"
packets, at = [], 24
while at < len(data):
    seconds, nanos, kept, length = struct.unpack_from("<IIII", data, at)
    packets.append([(seconds, nanos), length, data[at + 16 : at + 16 + kept]])
    at += 16 + kept


def ports(frame):
    """Source and destination of TCP in IPv4 in Ethernet, without options before it."""
    return struct.unpack_from(">HH", frame, 34)


if operation == "vlan":
    tags = struct.pack(">HHHH", 0x88A8, 7, 0x8100, 42)
    packets = [[stamp, length + 8, frame[:12] + tags + frame[12:]] for stamp, length, frame in packets]
elif operation == "drop":
    packets = [p for n, p in enumerate(packets, 1) if n not in numbers]
elif operation == "swap":
    one, other = (n - 1 for n in numbers)
    packets[one][1:], packets[other][1:] = packets[other][1:], packets[one][1:]
elif operation == "dup":
    packets = [p for n, p in enumerate(packets, 1) for _ in range(2 if n in numbers else 1)]
elif operation in ("from", "to"):
    packets = [p for p in packets if ports(p[2])[operation == "to"] == numbers[0]]
elif operation == "cut":
    packets = [[stamp, length, frame[: numbers[0]]] for stamp, length, frame in packets]
elif operation == "midway":
    packets = packets[numbers[0] - 1 :]
else:
    sys.exit(__doc__)

with open(target, "wb") as out:
    out.write(data[:24])
    for (seconds, nanos), length, frame in packets:
        out.write(struct.pack("<IIII", seconds, nanos, len(frame), length) + frame)
