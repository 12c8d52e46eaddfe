// A resident of the demo links an ID of elsewhere by way of the stand-ins that the demo runs, signs in with it, and
// takes the link apart: in Chromium, over four addresses of this machine.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

// Providers send people back to the name that they know us by.
const BASE = process.env.BASE_URL?.replace(/\/$/, "").replace("127.0.0.1", "localhost");

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

async function withPassword(page, login, next = "/id") {
  await page.goto(`${BASE}/id/sign-in/password?next=${next}`);
  await page.fill("#id-login", login);
  await page.fill("#id-password", "kenroku-demo-2026");
  await page.click("form.kr-form button");
  const code = /\b(\d{6})\b/.exec(await page.locator(".kr-id").innerText())?.[1];
  await page.fill("#id-code", code);
  await page.click("form.kr-form button");
  await page.waitForURL(`${BASE}${next}`);
}

/** The stand-in says that it is one; a name is pressed. */
async function choose(page, name) {
  assert.match(await page.locator("h1").innerText(), /模擬/);
  await page.locator("button", { hasText: name }).first().click();
}

const unlinkAll = async (page) => {
  await page.goto(`${BASE}/id/links`);
  for (;;) {
    const button = page.locator('form[action="/id/links/end"] button').first();
    if ((await button.count()) === 0) return;
    await button.click();
    await page.waitForLoadState("load");
  }
};

for (const base of BASE ? [BASE] : [])
  test(`an ID of elsewhere is linked, signs in and is taken apart at ${base}`, async () => {
    const context = await browser.newContext({ locale: "ja-JP" });
    const page = await context.newPage();
    await withPassword(page, "demo-zaikin", "/id/links");
    await unlinkAll(page);
    await page.locator('a[href="/id/upstream/go?to=dia&link=1"]').click();
    await choose(page, "模擬");
    await page.waitForURL(/\/id\/links\/confirm/);
    assert.match(await page.locator("main").innerText(), /模擬　在勤/, "both names stand side by side");
    await page.locator('form[action="/id/links/confirm"] button').click();
    await page.waitForURL(`${BASE}/id/links`);
    assert.equal(await page.locator('form[action="/id/links/end"]').count(), 1);

    // Another browser signs in by it, without a password. 127.0.0.1 is this server too, but not the name that the
    // provider knows: the visit goes over to the one that it does.
    const other = await browser.newContext({ locale: "ja-JP" });
    const elsewhere = await other.newPage();
    await elsewhere.goto(`${process.env.BASE_URL}/id/sign-in?next=/id`);
    await elsewhere.locator('a[href^="/id/upstream/go?to=dia"]').click();
    await choose(elsewhere, "模擬");
    await elsewhere.waitForURL(`${BASE}/id`);
    assert.match(await elsewhere.locator("main").innerText(), /県内で働く|働く/);
    await other.close();

    await page.goto(`${BASE}/id/links`);
    await page.locator('form[action="/id/links/end"] button').click();
    await page.waitForURL(/\/id\/links/);
    assert.equal(await page.locator('form[action="/id/links/end"]').count(), 0);
    await page.goto(`${BASE}/id/upstream/go?to=dia`);
    await choose(page, "模擬");
    await page.waitForURL(/\/id\/upstream\/back/);
    assert.match(await page.locator("h1").innerText(), /つながっていません|まだ/);
    await context.close();
  });

for (const base of BASE ? [BASE] : []) {
  test(`two people who share an ID choose who is here at ${base}`, async () => {
    let theirs;
    for (const login of ["demo-kodomo", "demo-madoguchi"]) {
      const context = await browser.newContext({ locale: "ja-JP" });
      const page = await context.newPage();
      theirs = page;
      await withPassword(page, login, "/id/links");
      await unlinkAll(page);
      await page.locator('a[href="/id/upstream/go?to=region&link=1"]').click();
      await choose(page, "模擬　家族");
      await page.waitForURL(/\/id\/links\/confirm/);
      const button = page.locator('form[action="/id/links/confirm"] button');
      await page.fill("#id-label", `よびな ${login}`);
      await button.click();
      await page.waitForURL(`${BASE}/id/links`);
    }
    const context = await browser.newContext({ locale: "ja-JP" });
    const page = await context.newPage();
    await page.goto(`${BASE}/id/sign-in?next=/id/links`);
    await page.locator('a[href^="/id/upstream/go?to=region"]').click();
    await choose(page, "模擬　家族");
    await page.waitForURL(`${BASE}/id/upstream/choose`);
    assert.equal(await page.locator('form[action="/id/upstream/choose"]').count(), 2);
    await page.locator("button", { hasText: "よびな demo-madoguchi" }).click();
    await page.waitForURL(`${BASE}/id/links`);
    assert.match(await page.locator("main").innerText(), /よびな demo-madoguchi/);
    await context.close();
    // This provider takes its token back, and the person reads that it did. To end a link takes a surer sign-in.
    await theirs.locator('form[action="/id/links/end"] button').click();
    await theirs.waitForURL(`${BASE}/id/links?ended=given-back`);
  });

  test(`a phone registers by a signature in the app at ${base}`, async () => {
    const context = await browser.newContext({ locale: "ja-JP", viewport: { width: 360, height: 800 } });
    const page = await context.newPage();
    await page.goto(`${BASE}/id/register`);
    await page.locator('a[href*="class=resident"]').click();
    await page.locator('a[href^="/id/register/phone"]').click();
    assert.match(await page.locator("main").innerText(), /いしかわIDをつくります/, "what is signed is read before");
    await page.locator('a[href^="/id/upstream/go?to=dia&sign=register"]').click();
    await choose(page, "架空");
    await page.waitForURL(`${BASE}/id/card`);
    await page.locator('form[action="/id/card/done"] button').click();
    await page.waitForURL(/\/id(\?welcome=1|\/profile)$/);
    await page.goto(`${BASE}/id/profile`);
    assert.match(await page.locator("main").innerText(), /架空/);
    await page.goto(`${BASE}/id/links`);
    assert.equal(await page.locator('form[action="/id/links/end"]').count(), 1, "and the app signs in from now on");
    await context.close();
  });
}
