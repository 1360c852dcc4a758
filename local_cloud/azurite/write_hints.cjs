// Tells the function host at once what has been written to Azurite, as a hint: the host still polls, so none is needed.
//
// `node --require write_hints.cjs azurite` loads this file first. Each accepted message and blob becomes a datagram to
// UDP port LOCAL_CLOUD_HINTS_PORT on 127.0.0.1: "queue NAME" or "container NAME" (local_cloud/function_host/storage/hints.py).
"use strict";

const dgram = require("node:dgram");
const http = require("node:http");

const port = Number(process.env.LOCAL_CLOUD_HINTS_PORT);
const socket = dgram.createSocket("udp4").unref();
const emit = http.Server.prototype.emit;

http.Server.prototype.emit = function (event, request, response) {
  const hint = event === "request" ? hintOf(request) : undefined;
  if (hint !== undefined) {
    response.once("finish", () => response.statusCode === 201 && socket.send(hint, port, "127.0.0.1", ignoreError));
  }
  return emit.apply(this, arguments);
};

// Addresses are /ACCOUNT/QUEUE/messages and /ACCOUNT/CONTAINER/BLOB. Blocks become a blob with the list of blocks.
function hintOf(request) {
  const [path, query] = request.url.split("?");
  const [, , name, rest] = path.split("/");
  if (!rest) return undefined;
  if (request.method === "POST") return rest === "messages" ? `queue ${name}` : undefined;
  const part = new URLSearchParams(query).get("comp");
  return request.method === "PUT" && (part === null || part === "blocklist") ? `container ${name}` : undefined;
}

function ignoreError() {}
