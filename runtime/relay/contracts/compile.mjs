// Compiles the contracts in this folder and prints {name: bytecode} as JSON. Used by the tests.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");
const here = new URL(".", import.meta.url);
const files = readdirSync(here).filter((name) => name.endsWith(".sol"));
const sources = Object.fromEntries(files.map((name) => [name, { content: readFileSync(new URL(name, here), "utf8") }]));
const settings = {
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
if (output.errors?.length) {
  console.error(output.errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const contracts = Object.values(output.contracts).flatMap((file) => Object.entries(file));
process.stdout.write(JSON.stringify(Object.fromEntries(contracts.map(([name, made]) => [name, made.evm.bytecode.object]))));
