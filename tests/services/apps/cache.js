// Commands by ioredis, many at once over one connection, each told to TRUTH with its answer. Usage: cache.js PORT, or cache.js PORT late
// FIFO: connects first, and goes on when FIFO says so: many at once, and after a silence many again. Of the first nobody knows the answer.
const fs = require('fs');
const Redis = require('ioredis');

const client = new Redis({ port: Number(process.argv[2]), host: '127.0.0.1' });
const tell = (told) => fs.appendFileSync(process.env.TRUTH, JSON.stringify(told) + '\n');

async function run(operation, ...args) {
  try {
    tell({ operation, args, ok: true, value: await client.call(operation, ...args) });
  } catch (error) {
    tell({ operation, args, ok: false, error: error.message });
  }
}

const some = Array.from({ length: 100 }, (_, n) => n);
const many = (of, tell) => Promise.all(some.flatMap((n) => [tell('SET', `${of}:${n}`, `value ${n}`), tell('GET', `${of}:${n}`)]));

async function late() {
  await client.ping();
  console.log('connected');
  fs.readFileSync(process.argv[4]);
  await many('unsure', (operation, ...args) => client.call(operation, ...args).then(() => tell({ operation, args, ok: true })));
  await new Promise((go) => setTimeout(go, 1500));
  await many('sure', run);
}

async function early() {
  await Promise.all([...some.map((n) => run('INCR', `js:n:${n}`)), many('js', run)]);
  await Promise.all([run('HSET', 'js:hash', 'a', '1', 'b', '{"c":2}'), run('HMGET', 'js:hash', 'a', 'none', 'b')]);
  const gathers = new Redis({ port: Number(process.argv[2]), host: '127.0.0.1', enableAutoPipelining: true });
  await Promise.all(some.map((n) => gathers.rpush('js:list', n)));
  some.forEach((n) => tell({ operation: 'RPUSH', args: ['js:list', String(n)], ok: true, value: n + 1 }));
  await gathers.quit();
}

(async () => {
  await (process.argv[3] === 'late' ? late() : early());
  await client.quit();
})();
