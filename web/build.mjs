// Builds web/dist: hashed files, manifest.json (source name → file), .br and .gz copies. Fails when what every
// page loads is over its budget. `node build.mjs` needs nothing but node_modules.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const OUT = new URL("./dist/", import.meta.url);
const here = (path) => new URL(path, import.meta.url).pathname;
/** gzip bytes of CSS and script that a first visit loads: the goal, and the floor under which nobody may fall. */
const GOAL = 60_000;
const FLOOR = 80_000;

/** Keeps of the Digital Agency's tokens only those that our style sheets use. */
const usedTokens = {
  name: "used-tokens",
  setup(b) {
    b.onLoad({ filter: /design-tokens\/dist\/tokens\.css$/ }, async ({ path }) => {
      const own = await Promise.all((await readdir(here("css"))).map((f) => readFile(here(`css/${f}`), "utf8")));
      const used = new Set(
        own
          .join("\n")
          .match(/var\(--[a-z0-9-]+/g)
          ?.map((m) => m.slice(4)),
      );
      const lines = (await readFile(path, "utf8")).split("\n");
      const contents = lines.filter((l) => !l.trim().startsWith("--") || used.has(l.trim().split(":")[0])).join("\n");
      return { contents, loader: "css" };
    });
  },
};

const hash = (bytes) => createHash("sha256").update(bytes).digest("base64url").replace(/[-_]/g, "x").slice(0, 10);

async function main() {
  await mkdir(OUT, { recursive: true });
  for (const name of await readdir(OUT)) if (name !== ".gitkeep") await rm(new URL(name, OUT), { recursive: true });

  const manifest = {};
  const put = async (name, bytes) => {
    const dot = name.lastIndexOf(".");
    const file = `${name.slice(0, dot)}-${hash(bytes)}${name.slice(dot)}`;
    await writeFile(new URL(file, OUT), bytes);
    manifest[name] = file;
    return file;
  };

  await put("mark.svg", await readFile(here("src/mark.svg")));
  const options = {
    bundle: true,
    minify: true,
    legalComments: "linked",
    target: ["safari15", "chrome100", "firefox100"],
    logLevel: "warning",
  };
  // The worker of MapLibre gets its own file, whose name the map must know.
  const worker = await build({
    ...options,
    entryPoints: [here("node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs")],
    format: "esm",
    legalComments: "inline",
    write: false,
  });
  const workerFile = await put("maplibre-worker.js", worker.outputFiles[0].contents);

  const built = await build({
    ...options,
    entryPoints: { kr: here("src/kr.ts"), "kr-styles": here("css/kr.css"), "kr-map": here("css/map.css") },
    define: { WORKER_FILE: JSON.stringify(workerFile) },
    outdir: here("dist"),
    format: "esm",
    splitting: true,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    metafile: true,
    plugins: [usedTokens],
  });
  for (const [path, output] of Object.entries(built.metafile.outputs)) {
    const file = path.split("/").pop();
    const entry = output.entryPoint?.split("/").pop();
    if (entry === "kr.css") manifest["kr.css"] = file;
    if (entry === "map.css") manifest["kr-map.css"] = file;
    if (entry === "kr.ts") manifest["kr.js"] = file;
    if (entry === "map.ts") manifest["map.js"] = file;
  }
  await writeFile(new URL("manifest.json", OUT), `${JSON.stringify(manifest, null, 1)}\n`);

  const sizes = {};
  for (const name of await readdir(OUT)) {
    if (name === ".gitkeep" || name === "manifest.json" || name.endsWith(".txt")) continue;
    const bytes = await readFile(new URL(name, OUT));
    const gz = gzipSync(bytes, { level: 9 });
    sizes[name] = [bytes.length, gz.length];
    if (bytes.length < 512) continue;
    const br = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
    await writeFile(new URL(`${name}.gz`, OUT), gz);
    await writeFile(new URL(`${name}.br`, OUT), br);
    sizes[name].push(br.length);
  }
  console.log("file                                   bytes      gzip        br");
  for (const [name, [raw, gz, br]] of Object.entries(sizes))
    console.log(
      `${name.padEnd(34)}${String(raw).padStart(10)}${String(gz).padStart(10)}${String(br ?? "").padStart(10)}`,
    );

  // What a first page loads: the style sheet, the script and what the script imports at once.
  const first = ["kr.css", "kr.js", "mark.svg"].map((name) => manifest[name]);
  const outputs = Object.fromEntries(Object.entries(built.metafile.outputs).map(([p, o]) => [p.split("/").pop(), o]));
  for (const { path, kind } of outputs[manifest["kr.js"]].imports)
    if (kind === "import-statement") first.push(path.split("/").pop());
  const total = first.reduce((sum, name) => sum + sizes[name][1], 0);
  console.log(`every page loads ${total} bytes gzip besides its HTML (goal ${GOAL}, floor ${FLOOR}, HTML included)`);
  if (total > FLOOR) throw new Error(`the first page is over its budget: ${total} > ${FLOOR} bytes gzip`);
}

await main();
