"""Writes a nanosecond pcap (from standard input) as pcapng with names for addresses. Usage: pcapng.py [ADDRESS=NAME…] <IN >OUT

Blocks as in the pcapng draft (draft-ietf-opsawg-pcapng): section header, interface, name resolution, enhanced packets.
"""

import socket
import struct
import sys


def padded(data):
    return data + bytes(-len(data) % 4)


def block(kind, body):
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + padded(value)


END = struct.pack("<HH", 0, 0)
data = sys.stdin.buffer.read()
magic, _, _, _, _, snaplen, link = struct.unpack_from("<IHHiIII", data)
assert magic == 0xA1B23C4D, "not a little-endian nanosecond pcap"
out = [
    block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
    block(1, struct.pack("<HHI", link, 0, snaplen) + option(2, b"lo") + option(9, b"\x09") + END),
]
names = b""
for pair in sys.argv[1:]:
    address, name = pair.split("=")
    record = socket.inet_aton(address) + name.encode() + b"\0"
    names += struct.pack("<HH", 1, len(record)) + padded(record)
if names:
    out.append(block(4, names + END))
at = 24
while at < len(data):
    seconds, nanos, kept, length = struct.unpack_from("<IIII", data, at)
    stamp = seconds * 10**9 + nanos
    frame = data[at + 16 : at + 16 + kept]
    out.append(block(6, struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, kept, length) + padded(frame)))
    at += 16 + kept
sys.stdout.buffer.write(b"".join(out))
