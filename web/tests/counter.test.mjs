// A clerk of the demo registers somebody without a card, who begins at home with the sheet: Chromium's virtual
// authenticator makes the passkey. Then the clerk registers a child with a guardian who shows a code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const BASE = process.env.BASE_URL?.replace(/\/$/, "").replace("127.0.0.1", "localhost");
const COUNTER = `${BASE}/staff/identity/counter`;
const PASSWORD = "kenroku-demo-2026";
// Whoever is registered twice waits for an operator: another name at each run.
const LETTERS = "一二三四五六七八九十";
const given = Array.from({ length: 5 }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join("");

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

/** Fits the narrowest screen and has no axe violation. */
async function usable(page, what) {
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    const room = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(room <= 0, `${what} at ${width} is wider than the screen`);
  }
  await page.evaluate(AXE);
  const found = await page.evaluate((tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), RULES);
  assert.deepEqual(
    found.violations.map((v) => `${v.id}: ${v.nodes[0]?.html}`),
    [],
    what,
  );
}

async function clerk() {
  const context = await browser.newContext({ locale: "ja-JP" });
  const form = { login: "demo-counter", password: PASSWORD };
  const answer = await context.request.post(`${BASE}/staff/sign-in`, { form, maxRedirects: 0 });
  assert.equal(answer.status(), 303);
  return context.newPage();
}

async function enter(page, person) {
  await page.fill("#id-name", `模擬　${person.given}`);
  await page.fill("#id-birth", person.birth);
  await page.fill("#id-address", person.address);
  for (const [name, value] of Object.entries(person.chosen))
    await page.check(`input[name="${name}"][value="${value}"]`);
  await page.click(".kr-form button");
}

// The component server has no accounts.
for (const base of BASE ? [BASE] : []) {
  test(`a sheet from the counter becomes a passkey at ${base}`, async () => {
    const page = await clerk();
    await page.goto(`${COUNTER}/person`);
    const chosen = { sex: "female", class: "no-card", document: "two-papers" };
    await enter(page, { given, birth: "昭和16年1月14日", address: "石川県輪島市河井町1番地", chosen });
    await usable(page, "the sheet");
    const [address, user, code] = await page.locator(".kr-sheet dd").allInnerTexts();
    assert.ok(await page.locator(".kr-sheet svg.kr-qr").isVisible());
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.locator(".kr-sheet").isVisible());
    assert.ok(!(await page.locator(".kr-console__nav").isVisible()), "only the sheet is printed");

    const context = await browser.newContext({ locale: "ja-JP" });
    const home = await context.newPage();
    const cdp = await context.newCDPSession(home);
    await cdp.send("WebAuthn.enable");
    await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    // As the QR code of the sheet opens it: the user name stands there, the code does not.
    await home.goto(`${address}?user=${user}`);
    assert.equal(await home.inputValue("#id-user"), user);
    assert.equal(await home.inputValue("#id-code"), "");
    await home.fill("#id-code", code.toLowerCase());
    await home.click(".kr-form button");
    await home.waitForURL(`${BASE}/id/start/choose`);
    await usable(home, "/id/start/choose");
    await home.click("kr-passkey button");
    await home.waitForURL(`${BASE}/id?welcome=1`);
    await home.goto(`${BASE}/id/history`);
    assert.match(await home.locator("main").innerText(), /能美市の窓口/);
  });

  test(`a child is registered with a guardian who shows a code at ${base}`, async () => {
    const guardian = await (await browser.newContext({ locale: "ja-JP" })).newPage();
    await guardian.goto(`${BASE}/id/sign-in/password?next=/id/counter-code`);
    await guardian.fill("#id-login", "demo-zaikin");
    await guardian.fill("#id-password", PASSWORD);
    await guardian.click("form.kr-form button");
    const otp = /\b(\d{6})\b/.exec(await guardian.locator(".kr-id").innerText())?.[1];
    await guardian.fill("#id-code", otp);
    await guardian.click("form.kr-form button");
    await guardian.waitForURL(`${BASE}/id/counter-code`);
    await usable(guardian, "/id/counter-code");
    await guardian.click("form.kr-form button");
    const shown = await guardian.locator(".kr-id__code").innerText();
    await usable(guardian, "the guardian's code");

    const page = await clerk();
    await page.goto(`${COUNTER}/child`);
    await page.fill("#id-code", shown);
    const chosen = { sex: "male", paper: "maternal-handbook", document: "driving-licence" };
    await enter(page, { given, birth: "令和2年8月20日", address: "石川県能美市来丸町1番地", chosen });
    assert.match(await page.locator("main").innerText(), /子どもを登録しました/);
    await page.goto(`${COUNTER}/find`);
    await page.fill("#id-name", `模擬　${given}`);
    await page.fill("#id-birth", "2020-08-20");
    await page.check('input[name="sex"][value="male"]');
    await page.click(".kr-form button");
    assert.match(await page.locator("main").innerText(), /模擬　在勤/);
    await usable(page, "the case");
  });
}
