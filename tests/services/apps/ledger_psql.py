"""Statements by psql, each told to TRUTH with what psql says of it: rows, code, notices. psql finds the server by its environment."""

import json
import os
import re
import subprocess
import sys

STATEMENTS = [
    "SET client_min_messages = notice",
    "DROP TABLE IF EXISTS orders",
    "CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric)",
    "INSERT INTO orders VALUES (1, 'alice', 12.50), (2, 'bob', 3)",
    "INSERT INTO orders VALUES (3, 'carol', 1) RETURNING id",
    "SELECT * FROM orders ORDER BY id",
    "SELECT * FROM orders WHERE id > 9",
    "UPDATE orders SET total = total + 1 WHERE id < 3",
    "INSERT INTO orders VALUES (1, 'again', 0)",
    "SELECT nothing FROM nowhere",
    "SELEC 1",
    "SELECT id FROM orders\\; SELECT customer FROM orders WHERE id = 1\\; DELETE FROM orders WHERE id = 9",
    "INSERT INTO orders VALUES (4, 'dave', 2)\\; SELECT 1/0",
    "BEGIN",
    "DELETE FROM orders",
    "SELECT 1/0",
    "SELECT 1",
    "ROLLBACK",
    "COPY orders FROM STDIN",
    "COPY orders (id, customer) FROM STDIN",
    "COPY (SELECT id, customer FROM orders ORDER BY id) TO STDOUT",
    "COPY orders TO STDOUT",
    "DO $$ BEGIN RAISE NOTICE 'stock is low'; RAISE WARNING 'very low'; END $$",
    "CREATE ROLE worker LOGIN PASSWORD 'not-a-real-secret'",
    "ALTER ROLE worker PASSWORD 'not-a-real-secret-either'",
    "MERGE INTO orders o USING (VALUES (1), (7)) v (id) ON o.id = v.id WHEN MATCHED THEN UPDATE SET total = 0"
    " WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'eve', 1)",
    "EXPLAIN SELECT 1",
    "SHOW server_encoding",
    "TRUNCATE orders",
    "SELECT 'after' /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/",
]
COPIED = ["5\terin\t1\n6\tfrank\t2\n\\.\n", "5\tnot twice\n\\.\n"]

# what psql says of a statement goes to its errors, where its notices and errors are too
copied = iter(COPIED)
script = "\\set VERBOSITY verbose\n" + "".join(
    f"{text};\n{next(copied) if 'FROM STDIN' in text else ''}\\warn @ :ROW_COUNT :SQLSTATE\n" for text in STATEMENTS
)
ran = subprocess.run(["psql", "-qX"], input=script, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
told = re.split(r"^@ (.*)\n", ran.stderr, flags=re.M)
said, after = told[0:-1:2], told[1::2]
if len(after) != len(STATEMENTS):
    sys.exit(f"psql told of {len(after)}: {ran.stderr}")
with open(os.environ["TRUTH"], "a") as out:
    for text, said, after in zip(STATEMENTS, said, after):
        rows, code = after.split()
        # a copy that is refused sets no variable
        code = next(iter(re.findall(r"ERROR:  (\w{5}): ", said)), code)
        line = {"sql": text.replace("\\;", ";") + ";", "ok": code == "00000"}
        if code != "00000":
            line["status"] = code
        elif re.match("INSERT|SELECT|UPDATE|DELETE|MERGE|COPY .* FROM STDIN", text) and "\\;" not in text:
            line["rows"] = int(rows)
        line["notices"] = [f"{kind}:  {text}" for kind, text in re.findall(r"(NOTICE|WARNING):  \w{5}: (.*)", said)]
        out.write(json.dumps(line) + "\n")
