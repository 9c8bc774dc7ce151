#!/usr/bin/env python3
"""Writes golden.jsonl beside it: messages as bytes, and what protobuf's own json_format makes of them. Needs grpcio-tools.

tests/services/setup.sh test installs it: target/services/venv/bin/python src/body/protobuf/tests/golden.py
"""
import json
import pathlib
import sys
import tempfile

import grpc_tools
from google.protobuf import json_format
from grpc_tools import protoc

here = pathlib.Path(__file__).parent
google = pathlib.Path(grpc_tools.__file__).parent / "_proto"
with tempfile.TemporaryDirectory() as out:
    sources = ["everything.proto", "older.proto"]
    assert protoc.main(["protoc", f"-I{here}", f"-I{google}", f"--python_out={out}", *sources]) == 0
    sys.path.insert(0, out)
    import everything_pb2 as e
    import older_pb2 as o

    def full():
        m = e.Everything(
            an_int32=-1, an_int64=-(1 << 63), a_uint32=(1 << 32) - 1, a_uint64=(1 << 64) - 1, a_sint32=-(1 << 31),
            a_sint64=-5, a_fixed32=7, a_fixed64=1 << 60, a_sfixed32=-7, a_sfixed64=-8, a_float=0.1, a_double=-1e300,
            a_bool=True, a_string="é\u2028\x01\"", some_bytes=b"\x00\xff\xfe", colour=1, renamed="x", maybe=0,
            packed=[1, -1, 300], unpacked=[1, 2], strings=["", "a"], colours=[0, 1, -1], doubles=[1.0, 0.5, 1e20, 1e-9],
            by_name={"b": 2, "a": 1, "": 0}, by_truth={True: 1, False: 0}, first="",
        )
        m.inner.some_name = "n"
        m.inner.children.add(count=3).children.add()
        m.inners.add()
        m.by_number[-2].count = 4
        m.by_number[10].some_name = "ten"
        return m

    def well_known():
        m = e.Everything()
        m.time.FromJsonString("2026-11-21T07:21:03.120Z")
        m.span.FromJsonString("-1.5s")
        m.mask.FromJsonString("fooBar,baz.quxQuux")
        m.struct.update({"n": 1.5, "s": "x", "b": True, "z": None, "l": [1, {"k": []}], "o": {}})
        m.value.string_value = "v"
        m.list.extend([1, "two", None])
        m.empty.SetInParent()
        m.any.Pack(e.Order(id="o1", lines=[e.Line(sku="s", quantity=2)]))
        for name, value in dict(double=0.5, float=0.25, int64=-3, uint64=3, int32=-4, uint32=4, bool=False, string="", bytes=b"\x01").items():
            getattr(m, name + "_value").value = value
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00.000001Z", "1969-12-31T23:59:59.5Z"]:
            m.times.add().FromJsonString(text)
        return m

    def one(**fields):
        return e.Everything(**fields)

    def nested_any():
        m, inner = e.Everything(), e.Everything()
        inner.time.seconds = 1
        m.any.Pack(inner.time)
        outer = e.Everything()
        outer.any.Pack(m.any)
        return outer

    def number(kind):
        m = e.Everything()
        if kind == "null":
            m.value.null_value = 0
        else:
            m.value.number_value = kind
        return m

    def older():
        m = o.Older(name="x", number=7)
        m.part.text = "in a group"
        m.row.add(cell=1)
        m.row.add()
        m.Extensions[o.note] = "noted"
        m.Extensions[o.marks].extend([1, 2])
        return m

    messages = [
        full(), well_known(), e.Everything(), older(), o.Older(name=""), nested_any(),
        one(a_float=float("nan"), a_double=float("inf")), one(a_double=float("-inf"), a_float=3.4028234e38),
        one(third=0), number("null"), number(1), number(-0.5),
        e.Everything(span={"seconds": 1, "nanos": 1}), e.Everything(span={"nanos": -1000}), e.Everything(span={}),
        e.Everything(mask={}), e.Everything(any={}), e.Everything(struct={}), e.Everything(list={}),
        e.Order(id="o1", lines=[e.Line(sku="a", quantity=1), e.Line()], colour=1),
    ]
    with open(here / "golden.jsonl", "w") as golden:
        for m in messages:
            line = {"type": m.DESCRIPTOR.full_name, "bytes": m.SerializeToString(deterministic=True).hex()}
            line["json"] = json_format.MessageToDict(m)
            golden.write(json.dumps(line, sort_keys=True) + "\n")
