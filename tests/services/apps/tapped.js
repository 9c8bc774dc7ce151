// What tapped.py's `post` does, by amqplib. Usage: tapped.js RABBITMQ N RUN
const amqp = require('amqplib');

const [port, count, run] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
// each exchange with the keys by which its queue is bound
const exchanges = { shop: ['order.placed'], jobs: ['mail', 'print'], news: [''], files: [''] };
const connect = () => amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`);

async function consume(taken, done) {
  const connection = await connect();
  const channel = await connection.createChannel();
  await channel.prefetch(5);
  const take = (message) => {
    taken.push(message.properties.messageId);
    channel.ack(message);
    if (taken.length === count * Object.keys(exchanges).length) done();
  };
  for (const exchange of Object.keys(exchanges)) await channel.consume(`all.${exchange}`, take);
  return connection;
}

async function main() {
  const taken = [];
  const published = [];
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  const consumers = [await consume(taken, done), await consume(taken, done)];
  const connection = await connect();
  const channel = await connection.createConfirmChannel();
  for (let n = 0; n < count; n++) {
    for (const [exchange, keys] of Object.entries(exchanges)) {
      const id = `${run}.${exchange}.${n}`;
      const key = keys[n % keys.length];
      const traceparent = `00-${(n + 1).toString(16).padStart(32, '0')}-00f067aa0ba902b7-01`;
      const headers = { kind: 'image', n, traceparent };
      const properties = { contentType: 'application/json', messageId: id, headers, persistent: true, appId: 'tapped' };
      channel.publish(exchange, key, Buffer.from(JSON.stringify({ n })), properties);
      published.push({ id, exchange, key });
    }
  }
  await channel.waitForConfirms();
  await all;
  // a channel's close comes behind its acknowledgements
  for (const each of [connection, ...consumers]) await each.close();
  console.log(JSON.stringify({ published, taken: taken.sort() }));
}

main();
