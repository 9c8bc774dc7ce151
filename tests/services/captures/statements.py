"""Statements by psycopg 3. Usage: statements.py extended|pipeline|cycles|copy|errors|notify. libpq finds the server by its environment."""

import contextlib
import sys
import threading
import time

import psycopg

TRACED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
connection = psycopg.connect(autocommit=True, application_name="shop")
tolerated = contextlib.suppress(psycopg.Error)


def extended():
    connection.execute("INSERT INTO orders VALUES (%s, %s, %s)", [10, "grün", 1.5])
    for n in (1, 10):
        # the text with its comment is sent once, and run twice
        connection.execute(f"SELECT * FROM orders WHERE id = %s /*traceparent='{TRACED}'*/", [n], prepare=True)
    connection.execute("SELECT %b::int4, %s::bytea, %s::text", [7, b"\xff\x00", None])
    connection.cursor().executemany("INSERT INTO orders VALUES (%s, %s)", [(20, "bob"), (21, "carol")])
    with connection.transaction(force_rollback=True), connection.cursor("page") as page:
        page.execute("SELECT id FROM orders ORDER BY id")
        page.fetchmany(2)


def pipeline():
    with connection.pipeline():
        for n in (1, 2, 3):
            connection.execute("SELECT * FROM orders WHERE id = %s", [n])
    with tolerated, connection.pipeline():
        connection.execute("INSERT INTO orders VALUES (%s, 'undone')", [30])
        connection.execute("SELECT %s::int / 0", [1])
        connection.execute("DELETE FROM orders WHERE id = %s", [1])
    connection.execute("SELECT 'after'")


def cycles():
    """Each statement with its own Sync, none of them waited for; twice, with a silence between."""
    pq = connection.pgconn
    pq.enter_pipeline_mode()
    for silence in (0, 1.2):
        time.sleep(silence)
        for sql in (b"SELECT 'early'", b"SELECT 'late'"):
            for _ in range(3):
                pq.send_query_params(sql, None)
                pq.pipeline_sync()
            while pq.flush():
                pass
            synced = 0
            while synced < 3:
                result = pq.get_result()
                synced += bool(result and result.status == psycopg.pq.ExecStatus.PIPELINE_SYNC)
    pq.exit_pipeline_mode()


def copy():
    cursor = connection.cursor()
    for row in ((40, "dave", 1), (1, "not twice", 1)):
        with tolerated, cursor.copy("COPY orders FROM STDIN") as copied:
            copied.write_row(row)
    with cursor.copy("COPY (SELECT id, customer FROM orders ORDER BY id) TO STDOUT") as copied:
        for _ in copied:
            pass


def errors():
    for sql, values in [
        ("SELEC 1", None),
        ("SELECT * FROM nowhere WHERE id = %s", [1]),
        ("INSERT INTO orders VALUES (%s, 'twice')", [1]),
        ("INSERT INTO lines VALUES (%s)", [99]),
        ("DO $$ BEGIN RAISE EXCEPTION 'out of stock' USING ERRCODE = 'P0S01', HINT = 'order more', DETAIL = 'tea'; END $$", None),
    ]:
        with tolerated:
            connection.execute(sql, values)
    # cancelled as soon as it is seen to run, and then ended by the server
    other = psycopg.connect(autocommit=True)
    sleeping = threading.Thread(target=sleep, args=(connection,))
    sleeping.start()
    while not other.execute("SELECT true FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone():
        pass
    connection.cancel()
    sleeping.join()
    other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with tolerated:
        connection.execute("SELECT 'too late'")


def sleep(connection):
    with tolerated:
        connection.execute("SELECT pg_sleep(600)")


def notify():
    connection.execute("LISTEN news")
    with psycopg.connect(autocommit=True) as other:
        other.execute("NOTIFY news, '{\"order\":7}'")
        other.execute("SELECT pg_notify('news', %s)", ["plain text"])
    for _ in connection.notifies(timeout=30, stop_after=2):
        pass


{"extended": extended, "pipeline": pipeline, "cycles": cycles, "copy": copy, "errors": errors, "notify": notify}[sys.argv[1]]()
connection.close()
