// Every page × language × width: no axe violation, no sideways scrolling, no error in the console, nothing from
// another host, the right language, and the same main content without JavaScript.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { address, inLocale, LOCALES, PAGES, signIn, site } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const BUDGET = 80_000;

const here = site();

/** Opens a page and collects what goes wrong in it. */
async function visit(path, locale, options) {
  const { browser, host } = here;
  const context = await browser.newContext({ bypassCSP: false, ...options });
  await signIn(context, host.base, path);
  const filled = await address(context, host.base, path);
  const page = await context.newPage();
  const faults = [];
  const status = path === "/design/error" ? 503 : 200;
  page.on("console", (m) => {
    // The browser itself reports the page we asked for when its status is an error.
    if (m.type() === "error" && !(status !== 200 && m.text().includes(String(status)))) faults.push(m.text());
  });
  page.on("pageerror", (e) => faults.push(String(e)));
  page.on("request", (r) => {
    if (new URL(r.url()).host !== new URL(host.base).host && !r.url().startsWith("blob:")) faults.push(r.url());
  });
  const answer = await page.goto(inLocale(host.base, filled, locale), { waitUntil: "load" });
  assert.equal(answer.status(), status);
  return { context, page, faults, answer };
}

/** axe runs from outside the page, so that the page's own policy stays in force. */
async function axe(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate((tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), RULES);
  return found.violations.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.map((n) => n.html.slice(0, 160)).join("\n  ")}`);
}

const sideways = (page) =>
  page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > room + 1);
    return wide.slice(0, 5).map((e) => `${e.tagName}.${e.className}`);
  });

for (const path of PAGES)
  for (const locale of LOCALES)
    for (const width of [320, 1280])
      test(`${path} in ${locale} at ${width} px`, async () => {
        const { context, page, faults } = await visit(path, locale, { viewport: { width, height: 900 } });
        assert.equal(await page.getAttribute("html", "lang"), locale);
        assert.equal(await page.locator("h1").count(), 1, "one h1");
        const text = await page.locator("body").innerText();
        assert.doesNotMatch(text, /⟦|\{ ?\$/, "every text is there and has its values");
        assert.deepEqual(await sideways(page), [], "nothing is wider than the screen");
        assert.deepEqual(await axe(page), []);
        await page.waitForLoadState("networkidle");
        assert.deepEqual(faults, []);
        await context.close();
      });

for (const path of PAGES) {
  test(`${path} in forced colours`, async () => {
    const { context, page, faults } = await visit(path, "ja", {
      viewport: { width: 1280, height: 900 },
      forcedColors: "active",
    });
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(faults, []);
    await context.close();
  });

  test(`${path} without JavaScript`, async () => {
    const { context, page } = await visit(path, "ja", { javaScriptEnabled: false });
    assert.ok((await page.locator("main").innerText()).length > 20, "the main content is there");
    assert.equal(await page.locator("main .kr-live__stale").count(), 0);
    await context.close();
  });

  test(`${path} is light`, async () => {
    const { context, page, answer } = await visit(path, "ja", { viewport: { width: 360, height: 800 } });
    const sizes = [["HTML", gzipSync(await answer.body()).length]];
    for (const url of await page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .map((e) => e.name)
        .filter((n) => /\.(css|js)$/.test(n)),
    ))
      sizes.push([url.split("/").pop(), gzipSync(await (await context.request.get(url)).body()).length]);
    const total = sizes.reduce((sum, [, n]) => sum + n, 0);
    console.log(`${path}: ${total} bytes gzip (${sizes.map(([n, s]) => `${n} ${s}`).join(", ")})`);
    assert.ok(total <= BUDGET, `${total} bytes are more than ${BUDGET}`);
    await context.close();
  });
}

test("the keyboard reaches everything in order and sees where it is", async () => {
  const { context, page } = await visit(PAGES[0], "ja", {
    viewport: { width: 1280, height: 900 },
    reducedMotion: "reduce",
  });
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.className), "kr-skip", "first the way to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  const seen = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const spot = await page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body) return null;
      const style = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      return {
        what: `${e.tagName} ${e.textContent?.trim().slice(0, 20)}`,
        ring: style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2,
        size: box.width > 0 && box.height > 0,
        inside: box.bottom > 0 && box.top < innerHeight,
      };
    });
    if (!spot) break;
    assert.ok(spot.ring, `no focus ring on ${spot.what}`);
    assert.ok(spot.size && spot.inside, `the focus is out of sight on ${spot.what}`);
    seen.push(spot.what);
  }
  assert.ok(seen.length > 3, `only ${seen.length} stops`);
  await context.close();
});

test("a chosen language stays", async () => {
  const { context, page } = await visit(PAGES[0], "en", {});
  await page.goto(here.host.base + PAGES[0]);
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await context.close();
});
