"""Statements by psycopg 3, each told to TRUTH with what it says of it. Usage: ledger.py, or ledger.py late FIFO: begins a session, and
goes on when FIFO says so. libpq finds the server by its environment."""

import itertools
import json
import os
import sys

import psycopg

truth = open(os.environ["TRUTH"], "a", buffering=1)


def tell(sql, ok=True, **more):
    numbers = itertools.count(1)
    text = "".join(f"${next(numbers)}{part}" if at else part for at, part in enumerate(sql.split("%s")))
    truth.write(json.dumps({"sql": text, "ok": ok, **more}) + "\n")


def told(cursor, sql, **more):
    rows = {"rows": cursor.rowcount} if cursor.rowcount >= 0 else {}
    tell(sql, status=cursor.statusmessage, **rows, **more)


def run(connection, sql, values=None, **options):
    """One statement, as it is written."""
    try:
        told(connection.execute(sql, values, **options), sql)
    except psycopg.Error as error:
        tell(sql, ok=False, status=error.sqlstate)


if sys.argv[1:2] == ["late"]:
    late = psycopg.connect(autocommit=True)
    late.execute("SELECT %s::int AS late", [1], prepare=True)
    print("prepared")
    open(sys.argv[2]).read()
    # nobody knows what was prepared, and whether the answer is that of the first
    late.execute("SELECT %s::int AS late", [2], prepare=True)
    truth.write('{"late":true}\n')
    run(late, "SELECT 'later'")
    run(late, "SELECT %s::text AS later", ["known"])
    sys.exit()

connection = psycopg.connect(autocommit=True, application_name="ledger")
run(connection, "CREATE TABLE accounts (id int PRIMARY KEY, name text, balance numeric)")
run(connection, "CREATE TABLE entries (account int REFERENCES accounts DEFERRABLE INITIALLY DEFERRED, amount numeric)")
run(connection, "INSERT INTO accounts VALUES (%s, %s, %s)", [1, "grün", 10])
run(connection, "SELECT * FROM accounts WHERE id = %s", [1])
run(connection, "SELECT * FROM accounts WHERE id = %s", [2])
run(connection, "INSERT INTO accounts VALUES (%s, %s, %s)", [1, "twice", 10])
run(connection, "SELECT * FROM nowhere WHERE id = %s", [1])
run(connection, "SELECT %s::int / 0", [1])
# what is deferred fails when the statement's transaction ends
run(connection, "INSERT INTO entries VALUES (%s, %s)", [99, 1])
for n in range(20):
    run(connection, "SELECT name FROM accounts WHERE id = %s AND balance > 0", [n], prepare=True)

# a transaction, and one that is rolled back
with connection.transaction():
    tell("BEGIN", status="BEGIN")
    run(connection, "UPDATE accounts SET balance = balance - %s WHERE id = 1", [3])
    tell("COMMIT", status="COMMIT")
with connection.transaction(force_rollback=True):
    tell("BEGIN", status="BEGIN")
    run(connection, "DELETE FROM accounts WHERE balance > %s", [0])
    run(connection, "SELECT %s::int / 0", [2])
    run(connection, "SELECT 'refused' WHERE %s", [True])
    tell("ROLLBACK", status="ROLLBACK")
# psycopg forgets what it has prepared
tell("DEALLOCATE ALL", status="DEALLOCATE ALL")

# many at once
rows = [(n, f"account {n}", n) for n in range(100, 200)]
cursor = connection.cursor()
cursor.executemany("INSERT INTO accounts VALUES (%s, %s, %s)", rows)
for _ in rows:
    tell("INSERT INTO accounts VALUES (%s, %s, %s)", status="INSERT 0 1", rows=1)
with connection.pipeline():
    cursors = [connection.execute("SELECT balance FROM accounts WHERE id = %s", [n]) for n in range(100, 120)]
for cursor in cursors:
    told(cursor, "SELECT balance FROM accounts WHERE id = %s")

# in a pipeline nothing behind an error is run, up to the next synchronization
asked = ["INSERT INTO accounts VALUES (%s, 'pipelined', 0)", "SELECT %s::int / 0", "DELETE FROM accounts WHERE id = %s"]
try:
    with connection.pipeline():
        for n, sql in enumerate(asked):
            connection.execute(sql, [n])
except psycopg.errors.DivisionByZero as error:
    # the pipeline is one transaction, so that nothing of it stays; yet the server said of the first that it went well
    tell(asked[0], status="INSERT 0 1", rows=1)
    tell(asked[1], ok=False, status=error.sqlstate)
    tell(asked[2], ok=False, skipped=True)

# a cursor of the server
with connection.transaction():
    tell("BEGIN", status="BEGIN")
    with connection.cursor("page") as page:
        page.execute("SELECT id FROM accounts WHERE id >= %s ORDER BY id", [100])
        tell('DECLARE "page" CURSOR FOR SELECT id FROM accounts WHERE id >= %s ORDER BY id', status="DECLARE CURSOR")
        for count in (30, 200):
            found = len(page.fetchmany(count))
            tell(f'FETCH FORWARD {count} FROM "page"', status=f"FETCH {found}", rows=found)
    tell('CLOSE "page"', status="CLOSE CURSOR")
    tell("COMMIT", status="COMMIT")

# copies
cursor = connection.cursor()
sql = "COPY accounts (id, name) FROM STDIN"
with cursor.copy(sql) as copy:
    for n in range(300, 1300):
        copy.write_row((n, f"copied {n}"))
told(cursor, sql)
try:
    with cursor.copy(sql) as copy:
        copy.write_row((1, "not twice"))
except psycopg.Error as error:
    tell(sql, ok=False, status=error.sqlstate)
for sql, values in [("COPY accounts TO STDOUT", None), ("COPY (SELECT id FROM accounts WHERE id > 1000) TO STDOUT", None)]:
    with cursor.copy(sql, values) as copy:
        for _ in copy:
            pass
    told(cursor, sql)

# notifications
run(connection, "LISTEN news")
with psycopg.connect(autocommit=True) as other:
    for n in range(3):
        run(other, f"NOTIFY news, '{{\"order\":{n}}}'")
    run(other, "SELECT pg_notify('news', %s)", ["plain text"])
for notice in connection.notifies(timeout=30, stop_after=4):
    truth.write(json.dumps({"deliver": notice.channel, "value": notice.payload}) + "\n")

# the server ends a session
with psycopg.connect(autocommit=True) as other:
    run(other, "SELECT 'ended soon'")
    run(connection, "SELECT pg_terminate_backend(%s)", [other.info.backend_pid])
    truth.write('{"operation":"ErrorResponse","status":"57P01","ok":false}\n')
    try:
        while True:
            other.pgconn.consume_input()
            if other.pgconn.status != psycopg.pq.ConnStatus.OK:
                break
    except psycopg.Error:
        pass
connection.close()
