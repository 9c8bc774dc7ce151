"""Makes DNS messages with dnspython, and what it reads in them. Usage: dns_messages.py >src/decode/dns/oracle.txt

A line a message: hex, a blank, then `id|code|type|name`, and for each answer `|name type data`.
"""

import random
import sys

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

ROUNDS = [
    ("example.com", "A", "NOERROR", [("example.com", "A", ["93.184.216.34", "93.184.216.35"])]),
    ("example.com", "AAAA", "NOERROR", [("example.com", "AAAA", ["2606:2800:220:1::1", "::ffff:10.0.0.1", "::"])]),
    ("www.Example.com", "A", "NOERROR", [("www.example.com", "CNAME", ["a.cdn.example.net."]), ("a.cdn.example.net", "A", ["10.1.2.3"])]),
    ("example.com", "MX", "NOERROR", [("example.com", "MX", ["10 mail.example.com.", "20 mail.example.net.", "0 ."])]),
    ("_sip._tcp.example.com", "SRV", "NOERROR", [("_sip._tcp.example.com", "SRV", ["1 2 5060 sip.example.com."])]),
    ("example.com", "NS", "NOERROR", [("example.com", "NS", ["ns1.example.com.", "ns2.example.com."])]),
    ("example.com", "SOA", "NOERROR", [("example.com", "SOA", ["ns1.example.com. host\\.master.example.com. 2024010101 7200 3600 1209600 300"])]),
    ("34.216.184.93.in-addr.arpa", "PTR", "NOERROR", [("34.216.184.93.in-addr.arpa", "PTR", ["example.com."])]),
    ("example.com", "TXT", "NOERROR", [("example.com", "TXT", ['"v=spf1 -all"', '"two" "strings"', '"quote \\" back \\\\ tab \\009 \\255"', '""'])]),
    ("example.com", "HTTPS", "NOERROR", [("example.com", "HTTPS", ["1 . alpn=h2,h3 port=8443 ipv4hint=10.0.0.1,10.0.0.2 ipv6hint=2001:db8::1", "0 svc.example.net."])]),
    ("_x.example.com", "SVCB", "NOERROR", [("_x.example.com", "SVCB", ["3 a.example. mandatory=alpn,port alpn=h2 port=53 no-default-alpn ech=AAX+DQABAA== key667=hello"])]),
    ("odd", "TYPE65280", "NOERROR", [("odd", "TYPE65280", ["\\# 4 0a000001", "\\# 0"])]),
    ("nope.example.com", "A", "NXDOMAIN", []),
    ("fail.example.com", "A", "SERVFAIL", []),
    ("no.example.com", "A", "REFUSED", []),
    ("cookie.example.com", "A", "BADCOOKIE", []),
    (".", "NS", "NOERROR", [(".", "NS", ["a.root-servers.net."])]),
    ("a\\.b.c\\032d.\\000\\255.example", "A", "NOERROR", []),
    ('"();\\@$.example', "A", "NOERROR", []),
    ("*.example.com", "ANY", "NOTIMP", []),
    ("x" * 63 + ".example.com", "A", "NOERROR", []),
    ("xn--bcher-kva.example", "A", "NOERROR", [("xn--bcher-kva.example", "A", ["192.0.2.1"])]),
]


def name(text):
    return text if text == "." else text.removesuffix(".")


def data(rdata):
    """Its text; final dots of names go, and the quotation marks around a service's parameters."""
    words = rdata.to_text().strip().split(" ")
    kind = dns.rdatatype.to_text(rdata.rdtype)
    if kind in ("HTTPS", "SVCB"):
        words = [word.replace('"', "") for word in words]
    return " ".join(name(word) if kind not in ("TXT", "TYPE65280") else word for word in words)


random.seed(1)  # the order of records
for number, (question, kind, code, records) in enumerate(ROUNDS):
    query = dns.message.make_query(question, kind, id=number * 2521 % 65536, use_edns=0, payload=1232)
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.from_text(code))
    for owner, of, texts in records:
        answer.answer.append(dns.rrset.from_text(owner if owner == "." else owner + ".", 300, "IN", of, *texts))
    for message in (query, answer):
        wire = message.to_wire()
        read = dns.message.from_wire(wire)
        parts = [str(read.id), dns.rcode.to_text(read.rcode()), dns.rdatatype.to_text(read.question[0].rdtype), name(read.question[0].name.to_text())]
        for rrset in read.answer:
            parts += [f"{name(rrset.name.to_text())} {dns.rdatatype.to_text(rrset.rdtype)} {data(rdata)}" for rdata in rrset]
        sys.stdout.write(f"{wire.hex()} {'|'.join(parts)}\n")
