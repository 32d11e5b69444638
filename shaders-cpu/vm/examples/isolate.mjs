// Size, speed and bits of the VM in V8. Usage: node isolate.mjs MODULE.wasm FOLDER, where FOLDER holds, for each shader,
// NAME.irvm (the program), NAME.bin (its uniform bytes) and NAME.f32 (its picture at 512x512, painted natively).
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [module, folder] = process.argv.slice(2);
const bytes = readFileSync(module);
console.log(`${module}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzip`);
for (const file of readdirSync(folder).filter((f) => f.endsWith(".irvm"))) {
  const name = file.slice(0, -5);
  const read = (ext) => readFileSync(`${folder}/${name}.${ext}`);
  const begin = performance.now();
  const vm = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  const put = (data) => {
    const at = vm.buffer(data.length); // may grow the memory, which replaces its buffer
    new Uint8Array(vm.memory.buffer, at, data.length).set(data);
  };
  const started = performance.now();
  put(read("bin"));
  vm.uniform();
  put(read("irvm"));
  if (!vm.load()) throw new Error(`${name} was refused`);
  const times = [];
  let at = 0;
  for (let i = 0; i < 12; i++) {
    const start = performance.now();
    at = vm.paint(512, 512);
    if (!at) throw new Error(`${name} failed`);
    times.push(performance.now() - start);
  }
  const picture = Buffer.from(vm.memory.buffer, at, 512 * 512 * 16);
  const same = picture.equals(read("f32")) ? "same bits" : "OTHER BITS";
  const best = Math.min(...times);
  const first = `module ${(started - begin).toFixed(1)} ms, first ${times[0].toFixed(1)} ms`;
  console.log(`${name}: ${first}, best ${best.toFixed(1)} ms, ${(0.262144 / best * 1e3).toFixed(1)} MP/s, ${same}`);
}
