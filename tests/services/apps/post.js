// Publishes to RabbitMQ and consumes from it by amqplib; tells what it saw in $TRUTH. Usage: post.js PORT
const fs = require('node:fs');
const amqp = require('amqplib');

const tell = (kind, operation, more) => fs.appendFileSync(process.env.TRUTH, JSON.stringify({ kind, operation, ...more }) + '\n');
const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

async function main() {
  const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${process.argv[2]}`);
  const plain = await connection.createChannel();
  const sure = await connection.createConfirmChannel();
  sure.on('return', () => {});
  await plain.assertExchange('node', 'fanout');
  for (const queue of ['node.a', 'node.b', 'node.auto']) await plain.assertQueue(queue);
  for (const queue of ['node.a', 'node.auto']) await plain.bindQueue(queue, 'node', '');

  const publish = (on, id, exchange, key, body, status, options = {}) => {
    const operation = `publish ${exchange || '(default)'} ${key}`.trim();
    tell('publish', operation, { id, bytes: body.length, status, traceparent: options.headers?.traceparent ?? null });
    on.publish(exchange, key, body, { messageId: id, ...options });
  };
  // many at once on two channels, confirmed together
  const headers = { traceparent: trace, int: 300, float: 1.5, when: { '!': 'timestamp', value: 1795245663 }, list: [1, 'two'] };
  for (let n = 0; n < 10; n++) {
    publish(sure, `js-sure-${n}`, 'node', '', Buffer.from(JSON.stringify({ n })), 'ack', { contentType: 'application/json', headers });
    publish(plain, `js-plain-${n}`, '', 'node.b', Buffer.alloc(n * 30000, 'y'), null);
  }
  publish(sure, 'js-back', '', 'node.none', Buffer.from('back'), 'returned', { mandatory: true });
  publish(plain, 'js-lost', '', 'node.none', Buffer.from('back'), 'returned', { mandatory: true });
  await sure.waitForConfirms();

  // consumes until so many have come; what is to be said of each is told by what
  const consume = (channel, queue, count, options, each) => new Promise((resolve) => {
    const held = [];
    channel.consume(queue, async (message) => {
      if (message === null) return;
      held.push(message);
      const status = each(message, held.length);
      const { fields, properties, content } = message;
      tell('deliver', `deliver ${queue}`, { id: properties.messageId, bytes: content.length, status, redelivered: fields.redelivered });
      if (held.length === count) {
        await channel.cancel(fields.consumerTag);
        resolve(held);
      }
    }, options);
  });
  await consume(plain, 'node.auto', 10, { noAck: true }, () => 'auto');
  const all = await consume(plain, 'node.b', 10, {}, () => 'ack');
  plain.ack(all[3], true);
  plain.ack(all[9], true);
  // the first five go back together, and come again
  const some = await consume(sure, 'node.a', 10, {}, (_, n) => (n <= 5 ? 'nack' : 'ack'));
  sure.nack(some[4], true, true);
  sure.ack(some[9], true);
  await consume(sure, 'node.a', 5, {}, (message) => {
    sure.ack(message);
    return 'ack';
  });
  const failing = await connection.createChannel();
  failing.on('error', () => {});
  tell('ask', 'queue.declare node.none', { status: 'NOT_FOUND' });
  await failing.checkQueue('node.none').catch(() => {});
  await plain.close();
  await connection.close();
}

main();
