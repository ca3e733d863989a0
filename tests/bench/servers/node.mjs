// socket.io for Node, with ws as it comes.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { application } from "./application.mjs";

const http = createServer();
application(new Server(http));
const [host, port] = process.argv[2].split(":");
http.listen(Number(port), host, () => console.log(`listening on http://${host}:${http.address().port}/`));
