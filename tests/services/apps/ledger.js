// Statements by node's pg, each told to TRUTH with what it says of it: a pool, named statements, portals in pieces, a cancel request.
// It finds the server by its environment.
const fs = require('fs');
const pg = require('pg');
const Cursor = require('pg-cursor');

const tell = (told) => fs.appendFileSync(process.env.TRUTH, JSON.stringify({ ok: true, ...told }) + '\n');

async function run(client, sql, values, name) {
  try {
    const { command, rowCount } = await client.query({ text: sql, values, name });
    const counts = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(command);
    tell({ sql, ...(counts ? { rows: rowCount } : {}) });
  } catch (error) {
    tell({ sql, ok: false, status: error.code });
  }
}

(async () => {
  const pool = new pg.Pool({ max: 4 });
  const some = Array.from({ length: 40 }, (_, n) => n);
  await run(pool, 'CREATE TABLE stock (sku text PRIMARY KEY, n int)');
  await Promise.all(some.map((n) => run(pool, 'INSERT INTO stock VALUES ($1, $2)', [`sku ${n}`, n])));
  await Promise.all(some.map((n) => run(pool, 'SELECT n FROM stock WHERE sku = $1', [`sku ${n}`], 'one')));
  await Promise.all([run(pool, 'SELECT $1::int / 0', [1]), run(pool, 'INSERT INTO stock VALUES ($1, $2)', ['sku 1', 1])]);

  // a statement that another one stops
  const client = new pg.Client();
  await client.connect();
  const sleep = new pg.Query('SELECT pg_sleep(600)');
  const slept = new Promise((done) => sleep.on('error', done));
  client.query(sleep);
  const active = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'";
  for (let n = 0; n === 0; tell({ sql: active, rows: 1 })) n = (await pool.query(active)).rows[0].n;
  new pg.Client().cancel(client, sleep);
  const { code } = await slept;
  tell({ operation: 'CancelRequest', pid: client.processID });
  tell({ sql: 'SELECT pg_sleep(600)', ok: false, status: code });

  // a portal in pieces
  const sql = 'SELECT sku FROM stock WHERE n >= $1 ORDER BY n';
  const cursor = client.query(new Cursor(sql, [0]));
  for (let rows = 15; rows === 15; ) {
    rows = (await cursor.read(15)).length;
    tell({ sql, rows, status: rows === 15 ? 'suspended' : `SELECT ${rows}` });
  }
  await cursor.close();
  await client.end();
  await pool.end();
})();
