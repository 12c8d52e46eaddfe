// <kr-live> on a page of our own: it takes over what changed, keeps the focus, says when it fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import { site } from "./browser.mjs";

const here = site();

test("a live part follows the page and warns when it cannot", async () => {
  const { browser, host } = here;
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.clock.install({ time: new Date("2026-01-14T10:20:00+09:00") });
  let round = 0;
  let down = false;
  const script = await (async () => {
    const answer = await fetch(`${host.base}/design`);
    return /src="([^"]+kr-[^"]+\.js)"/.exec(await answer.text())?.[1];
  })();
  assert.ok(script, "the page loads kr.js; run npm run build first");
  await page.route("**/live-test", (route) => {
    if (down) return route.abort();
    round += 1;
    return route.fulfill({
      contentType: "text/html; charset=utf-8",
      body: `<!doctype html><html lang="ja"><title>t</title><script type="module" src="${script}"></script>
<kr-live id="live" every="60" data-stale="{time}の状態です"><p data-announce>${round}件</p><a href="/a">行 ${round}</a></kr-live>`,
    });
  });
  await page.goto(`${host.base}/live-test`);
  await page.waitForFunction(() => customElements.get("kr-live"));
  await page.locator("#live a").focus();
  await page.clock.runFor(61_000);
  await page.waitForFunction(() => document.querySelector("#live a")?.textContent === "行 2");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "行 2", "the focus stays on the link");
  assert.equal(await page.locator("#kr-said").textContent(), "2件", "the change is read out");
  down = true;
  const failed = page.waitForEvent("requestfailed");
  await page.clock.runFor(61_000);
  await failed;
  // One more turn of the page's own loop: it has heard of the failure.
  await page.evaluate(() => fetch("/live-test").catch(() => undefined));
  assert.equal(await page.locator(".kr-live__stale").count(), 0, "one failure is forgiven");
  await page.clock.runFor(61_000);
  await page.waitForSelector(".kr-live__stale");
  down = false;
  await page.clock.runFor(61_000);
  await page.waitForSelector(".kr-live__stale", { state: "detached" });
  await context.close();
});
