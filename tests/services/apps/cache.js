// Commands by ioredis, many at once over one connection, each told to TRUTH with its answer. Usage: cache.js PORT
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

(async () => {
  const some = Array.from({ length: 100 }, (_, n) => n);
  await Promise.all(some.flatMap((n) => [run('SET', `js:${n}`, `value ${n}`), run('GET', `js:${n}`), run('INCR', `js:${n}`)]));
  await Promise.all([run('HSET', 'js:hash', 'a', '1', 'b', '{"c":2}'), run('HMGET', 'js:hash', 'a', 'none', 'b')]);
  await client.quit();
})();
