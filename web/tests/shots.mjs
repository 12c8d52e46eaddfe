// npm run shots -- --out DIR [--widths 360,1280] [--locales ja,en]: pictures of every page.
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { address, inLocale, LOCALES, launch, PAGES, server, signIn } from "./browser.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "shots" },
    widths: { type: "string", default: "360,1280" },
    locales: { type: "string", default: LOCALES.join(",") },
    forced: { type: "boolean", default: false },
  },
});
mkdirSync(values.out, { recursive: true });
const { base, stop } = await server();
const browser = await launch();
try {
  for (const path of PAGES)
    for (const locale of values.locales.split(","))
      for (const width of values.widths.split(",").map(Number)) {
        const context = await browser.newContext({
          viewport: { width, height: 900 },
          forcedColors: values.forced ? "active" : "none",
        });
        await signIn(context, base, path);
        const page = await context.newPage();
        await page.goto(inLocale(base, await address(context, base, path), locale), { waitUntil: "load" });
        await page.waitForTimeout(values.forced ? 300 : 1500);
        const name = path.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "") || "home";
        const file = `${values.out}/${name}-${locale}-${width}${values.forced ? "-forced" : ""}.png`;
        await page.screenshot({ path: file, fullPage: true });
        console.log(file);
        await context.close();
      }
} finally {
  await browser.close();
  stop();
}
