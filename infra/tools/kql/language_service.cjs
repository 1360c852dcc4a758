// Reads {tables, queries} as JSON from standard input and writes the errors as JSON: [{query, start, code, message}].
"use strict";

const { readFileSync } = require("node:fs");
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

function workspace(tables) {
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
    return Symbols.TableSymbol.From(`(${schema.join(", ")})`).WithName(name);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
}

const { tables, queries } = JSON.parse(readFileSync(0, "utf-8"));
const globals = workspace(tables);
const errors = queries.flatMap((text, query) =>
  globalThis.Bridge.toArray(KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics())
    .filter((found) => found.Severity === "Error")
    .map((found) => ({ query, start: found.Start, code: found.Code, message: found.Message })),
);
process.stdout.write(JSON.stringify(errors));
