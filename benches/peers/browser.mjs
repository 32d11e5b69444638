// What both ways of asking Chromium share: a page that paints a WGSL fragment shader by WebGPU, and its screenshot.
import { createServer } from "node:http";
import { once } from "node:events";
import puppeteer from "puppeteer-core";

// WebGPU wants a secure context, which this machine's own address is.
const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(page));
server.listen(0, "127.0.0.1");
await once(server, "listening");
server.unref();
const url = `http://127.0.0.1:${server.address().port}/`;

const page = `<!doctype html><style>body{margin:0}canvas{display:block}</style><canvas></canvas><script>
async function paint({ source, uniform, width, height }) {
  const canvas = document.querySelector("canvas");
  Object.assign(canvas, { width, height });
  const device = await (await navigator.gpu.requestAdapter()).requestDevice();
  const format = "rgba8unorm";
  const texture = device.createTexture({
    size: [width, height],
    format,
    usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC,
  });
  const bytesPerRow = Math.ceil((width * 4) / 256) * 256;
  const back = device.createBuffer({ size: bytesPerRow * height, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const module = device.createShaderModule({ code: source });
  const whole = device.createShaderModule({ code: \`@vertex fn whole(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
    return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
  }\` });
  const pipeline = device.createRenderPipeline({
    layout: "auto",
    vertex: { module: whole },
    fragment: { module, targets: [{ format }] },
  });
  const values = new Float32Array(uniform);
  const buffer = device.createBuffer({ size: values.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, values);
  const bound = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginRenderPass({
    colorAttachments: [{ view: texture.createView(), loadOp: "clear", storeOp: "store" }],
  });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bound);
  pass.draw(3);
  pass.end();
  encoder.copyTextureToBuffer({ texture }, { buffer: back, bytesPerRow }, [width, height]);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8ClampedArray(back.getMappedRange());
  const picture = new ImageData(width, height);
  for (let y = 0; y < height; y++) picture.data.set(bytes.subarray(y * bytesPerRow, y * bytesPerRow + width * 4), y * width * 4);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
</script>`;

export const launch = () =>
  puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
  });

export const shoot = async (browser, asked) => {
  const tab = await browser.newPage();
  await tab.setViewport({ width: asked.width, height: asked.height });
  await tab.goto(url);
  await tab.evaluate(asked => paint(asked), asked);
  const bytes = await tab.screenshot({ type: "png" });
  await tab.close();
  return { bytes, extension: "png" };
};
