// A forward proxy of node's own HTTP server: CONNECT makes a tunnel. Usage: proxy.js PORT
const http = require("node:http");
const net = require("node:net");

const proxy = http.createServer((req, res) => res.writeHead(405).end());
proxy.on("connect", (req, socket, head) => {
  const [host, port] = req.url.split(":");
  const onward = net.connect(Number(port), host, () => {
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
});
proxy.listen(Number(process.argv[2]), "127.0.0.1");
