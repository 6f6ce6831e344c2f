// Runs check.py in Pyodide: node load.mjs FOLDER=PATH ...; each folder of the disk is mounted in Pyodide's root under its name.
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";

const python = await loadPyodide();
for (const argument of process.argv.slice(2)) {
  const [name, path] = argument.split("=");
  python.mountNodeFS(`/${name}`, path);
}
python.runPython("import sys; sys.dont_write_bytecode = True; sys.path[:0] = ['/kernel', '/packages', '/code']");
console.log(await python.runPythonAsync(readFileSync(new URL("check.py", import.meta.url), "utf8")));
