// The map island: it opens, joins states, is worked by keyboard, and fails softly.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inLocale, launch, server } from "./browser.mjs";

/** A page with a <kr-map>, and the id prefix of the rows beside it. */
const PAGE = process.env.MAP_PAGE ?? (process.env.BASE_URL ? "/snow?area=17211" : "/design");
const WAIT = { timeout: 30_000 };

/** The public sees the first work of a fresh demo only after the delay. */
async function untilThereAreStates(base) {
  for (let i = 0; i < 240; i++) {
    const { states } = await (await fetch(`${base}/api/snow/v1/state`)).json();
    if (Object.values(states).some((ids) => ids.length > 0)) return;
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error("no road has a state after a minute");
}

let browser;
let host;
before(async () => {
  host = await server();
  browser = await launch();
  if (process.env.BASE_URL) await untilThereAreStates(host.base);
});
after(async () => {
  await browser?.close();
  host?.stop();
});

async function visit(options = {}, prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 360, height: 800 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (m) => m.type() === "error" && faults.push(m.text()));
  page.on("pageerror", (e) => faults.push(String(e)));
  await prepare(page);
  await page.goto(inLocale(host.base, PAGE, "ja"));
  return { context, page, faults };
}

test("on a phone the map loads when asked for, and the keyboard chooses a road", async () => {
  const { context, page, faults } = await visit();
  const scripts = () =>
    page.evaluate(() => performance.getEntriesByType("resource").filter((e) => /map-/.test(e.name)).length);
  await page.waitForTimeout(300);
  assert.equal(await scripts(), 0, "nothing of the map is loaded before");
  await page.locator("kr-map button").click();
  await page.waitForSelector("kr-map[data-loaded]", WAIT);
  assert.ok(Number(await page.getAttribute("kr-map", "data-loaded")) > 0, "states are joined");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "CANVAS", "the focus is in the map");
  const said = page.locator(".kr-map__said");
  await page.waitForTimeout(1500);
  await page.keyboard.press("n");
  await page.waitForFunction(() => document.querySelector(".kr-map__said")?.textContent?.trim(), null, WAIT);
  const first = await said.innerText();
  await page.keyboard.press("n");
  await page.waitForTimeout(200);
  assert.notEqual(await said.innerText(), first, "N goes on to the next");
  assert.equal(await said.getAttribute("role"), "status");
  assert.deepEqual(faults, []);
  await context.close();
});

test("on a wide screen the map opens when it comes near", async () => {
  const { context, page, faults } = await visit({ viewport: { width: 1280, height: 900 } });
  await page.locator("kr-map").scrollIntoViewIfNeeded();
  await page.waitForSelector("kr-map[data-loaded]", WAIT);
  assert.deepEqual(faults, []);
  await context.close();
});

test("when the map cannot load a sentence says so and the list remains", async () => {
  const { context, page } = await visit({}, (page) => page.route(/\/assets\/map-/, (route) => route.abort()));
  await page.locator("kr-map button").click();
  await page.waitForFunction(
    () => /表示できません/.test(document.querySelector("kr-map")?.textContent ?? ""),
    null,
    WAIT,
  );
  assert.ok((await page.locator("table").count()) > 0);
  await context.close();
});

test("when states stop coming the map says how old they are", async () => {
  const { context, page } = await visit({}, async (page) => {
    await page.clock.install();
    let asked = 0;
    await page.route(/state/, (route) => (asked++ === 0 ? route.continue() : route.abort()));
  });
  await page.locator("kr-map button").click();
  for (let i = 0; i < 100 && !(await page.getAttribute("kr-map", "data-loaded")); i++) await page.clock.runFor(500);
  await page.clock.runFor(61_000);
  await page.waitForTimeout(200);
  await page.clock.runFor(61_000);
  await page.waitForFunction(
    () => /受け取れていません/.test(document.querySelector(".kr-map__said")?.textContent ?? ""),
    null,
    WAIT,
  );
  await context.close();
});
