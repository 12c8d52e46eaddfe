// The map island: it opens, joins states, is worked by keyboard, and fails softly.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inLocale, signIn, site, untilThereAreStates } from "./browser.mjs";

/** A page with a <kr-map>, and the id prefix of the rows beside it. */
const PAGE = process.env.MAP_PAGE ?? (process.env.BASE_URL ? "/snow?area=17211" : "/design");
const WAIT = { timeout: 30_000 };

const here = site(process.env.BASE_URL ? untilThereAreStates : undefined);

async function visit(options = {}, prepare = async () => {}, path = PAGE) {
  const { browser, host } = here;
  const context = await browser.newContext({ viewport: { width: 360, height: 800 }, ...options });
  await signIn(context, host.base, path);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (m) => m.type() === "error" && faults.push(m.text()));
  page.on("pageerror", (e) => faults.push(String(e)));
  await prepare(page);
  await page.goto(inLocale(host.base, path, "ja"));
  return { context, page, faults };
}

test("on a phone the map loads when asked for, and the keyboard chooses a road", async () => {
  const { context, page, faults } = await visit();
  const scripts = () =>
    page.evaluate(() => performance.getEntriesByType("resource").filter((e) => /map-/.test(e.name)).length);
  await page.waitForLoadState("networkidle");
  assert.equal(await scripts(), 0, "nothing of the map is loaded before");
  await page.locator("kr-map button").click();
  await page.waitForSelector("kr-map[data-loaded]", WAIT);
  assert.ok(Number(await page.getAttribute("kr-map", "data-loaded")) > 0, "states are joined");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "CANVAS", "the focus is in the map");
  const said = page.locator(".kr-map__said");
  await page.waitForSelector("kr-map[data-drawn]", WAIT);
  await page.keyboard.press("n");
  await page.waitForFunction(() => document.querySelector(".kr-map__said")?.textContent?.trim(), null, WAIT);
  const first = await said.innerText();
  await page.keyboard.press("n");
  await page.waitForFunction(
    (first) => document.querySelector(".kr-map__said")?.innerText !== first,
    first,
    WAIT, // N goes on to the next.
  );
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
  const old = () => page.locator(".kr-map__said", { hasText: "受け取れていません" }).count();
  for (let i = 0; i < 100 && (await old()) === 0; i++) await page.clock.runFor(5_000);
  assert.equal(await old(), 1);
  await context.close();
});

// The ages of roads, for everybody and for the desk, need the whole server.
const AGES = process.env.BASE_URL ? ["/snow?area=17211&view=age", "/staff/snow/roads?view=age"] : [];
for (const path of AGES)
  test(`${path} shows the same ages in map, list and legend`, async () => {
    const { context, page, faults } = await visit({}, undefined, path);
    await page.locator("kr-map button").click();
    await page.waitForSelector("kr-map[data-loaded][data-drawn]", WAIT);
    assert.ok(Number(await page.getAttribute("kr-map", "data-loaded")) > 0, "ages are joined");
    const words = await page.locator(".kr-key .kr-state").allInnerTexts();
    assert.equal(words.length, 7, "every age is in the legend");
    const lines = await page.locator(".kr-key .kr-state svg").evaluateAll((all) => all.map((svg) => svg.innerHTML));
    assert.equal(new Set(lines).size, 7, "each with a line of its own");
    const chips = await page.locator(".kr-roads .kr-chip").allInnerTexts();
    assert.ok(chips.length > 0 && chips.every((chip) => words.includes(chip)), "the list says the same words");
    await page.keyboard.press("n");
    const said = page.locator(".kr-map__said");
    await page.waitForFunction(() => document.querySelector(".kr-map__said")?.textContent?.trim(), null, WAIT);
    const text = await said.innerText();
    assert.ok(
      words.some((word) => text.includes(word)),
      `the map says how long ago it was: ${text}`,
    );
    assert.deepEqual(faults, []);
    await context.close();
  });
