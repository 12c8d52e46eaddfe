// The examples of the developers' page are run exactly as they are printed there, and somebody signs in through them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { BASE, Person } from "./person.mjs";

const needsDemo = { skip: BASE ? false : "needs a whole server: set BASE_URL" };
const RUN = { "login.mjs": "node", "login.py": "python3", "program.sh": "sh" };
const ENTITIES = { "#38": "&", amp: "&", "#60": "<", lt: "<", "#62": ">", gt: ">", "#34": '"', quot: '"', "#39": "'" };
const plain = (html) => html.replaceAll(/&([a-z0-9#]+);/g, (_, name) => ENTITIES[name] ?? assert.fail(name));

/** What a reader copies, by the name of the file. */
async function examples() {
  const page = await (await fetch(`${BASE}/developers/id`)).text();
  const found = [...page.matchAll(/<pre [^>]*data-example="([^"]+)"><code>([^<]*)<\/code>/g)];
  return Object.fromEntries(found.map(([, name, text]) => [name, plain(text)]));
}

/** Starts an example; what it printed when it ended, and each line while it runs. */
function started(folder, name, text, each = () => {}) {
  writeFileSync(join(folder, name), text);
  const child = spawn(RUN[name], [name], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const printed = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    printed.push(line);
    each(line);
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, text: printed.join("\n") })));
}

test("every example of the developers' page runs as it is printed", needsDemo, async () => {
  const folder = mkdtempSync(join(tmpdir(), "kenroku-examples-"));
  try {
    // What `npm install openid-client` would do.
    symlinkSync(new URL("../node_modules", import.meta.url).pathname, join(folder, "node_modules"));
    const all = await examples();
    assert.deepEqual(Object.keys(all), Object.keys(RUN));
    // One each: a one-time code is good once, and the next comes with the clock.
    const people = [
      ["login.mjs", "demo-madoguchi", /模擬　窓口/, /17204/],
      ["login.py", "demo-kodomo", /模擬　子/, /17211/],
    ];
    for (const [name, login, who, muni] of people) {
      const person = new Person();
      const ended = await started(folder, name, all[name], async (line) => {
        const address = /^Open (http.+)$/.exec(line)?.[1];
        if (!address) return;
        const { back, page } = await person.authorize(address, login);
        assert.ok(back, page);
        assert.match(await (await fetch(back)).text(), /Signed in/);
      });
      assert.equal(ended.code, 0, `${name}: ${ended.text}`);
      assert.match(ended.text, who, name);
      assert.match(ended.text, muni, `${name} learns the municipality`);
    }
    const ended = await started(folder, "program.sh", all["program.sh"]);
    assert.equal(ended.code, 0);
    assert.equal(JSON.parse(ended.text).active, true, ended.text);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
