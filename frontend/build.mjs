// Builds the browser's files from frontend/ into static/dist/: `node build.mjs`, or with names to build only those
// (`node build.mjs editor python.worker`). `pyodide` is the name of the copy of Python itself.

import { build } from "esbuild";
import { copyFile, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { readFileSync } from "node:fs";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "..", "static", "dist");

const entryPoints = {
  "editor": "editor/main.js",
  "editor.css": "editor/editor.css",
  "python.worker": "editor/python.worker.js",
  "room": "room/main.js",
  "plan": "plan/main.js",
  "summary": "summary/main.js",
  "summary.css": "summary/summary.css",
  "admin": "admin/main.js",
  "site.css": "style/site.css",
};

const pyodideFiles = ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"];

const wanted = process.argv.slice(2);
const known = [...Object.keys(entryPoints), "pyodide"];
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length) fail(`Unknown: ${unknown.join(", ")}. Known: ${known.join(", ")}.`);
const chosen = wanted.length ? wanted : known;

await mkdir(out, { recursive: true });
await bundle(chosen.filter((name) => name !== "pyodide"));
if (chosen.includes("pyodide")) await copyPyodide();

async function bundle(names) {
  const missing = names.filter((name) => !exists(path.join(here, entryPoints[name])));
  if (missing.length) fail(`Missing entry points: ${missing.map((name) => entryPoints[name]).join(", ")}.`);
  const result = await build({
    absWorkingDir: here,
    entryPoints: names.map((name) => ({ in: entryPoints[name], out: name.replace(/\.css$/, "") })),
    outdir: out,
    bundle: true,
    minify: true,
    sourcemap: true,
    format: "esm",
    target: "es2022",
    loader: { ".py": "text" },
    legalComments: "linked",
    metafile: true,
    logLevel: "warning",
  });
  for (const file of Object.keys(result.metafile.outputs).filter((name) => /\.(js|css)$/.test(name))) {
    const bytes = readFileSync(path.join(here, file));
    const kb = (length) => `${Math.ceil(length / 1000)} kB`;
    console.log(`${path.basename(file).padEnd(20)}${kb(bytes.length).padStart(8)}, ${kb(gzipSync(bytes).length)} compressed`);
  }
}

async function copyPyodide() {
  const from = path.join(here, "node_modules", "pyodide");
  const to = path.join(out, "pyodide");
  await mkdir(to, { recursive: true });
  await Promise.all(pyodideFiles.map((name) => copyFile(path.join(from, name), path.join(to, name))));
  const sizes = await Promise.all(pyodideFiles.map(async (name) => (await stat(path.join(to, name))).size));
  console.log(`${"pyodide/".padEnd(20)}${Math.ceil(sizes.reduce((a, b) => a + b) / 1000)} kB`);
}

function exists(file) {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
