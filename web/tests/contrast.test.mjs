// The contrast that tokens.css promises, computed again from its values (WCAG 2.2, relative luminance).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../css/tokens.css", import.meta.url), "utf8");
const value = (name) => {
  const found = new RegExp(`--kr-${name}:\\s*([^;]+);`).exec(css)?.[1];
  assert.ok(found, `--kr-${name} is not in tokens.css`);
  const inner = /^var\(--kr-([a-z0-9-]+)\)$/.exec(found);
  return inner ? value(inner[1]) : found;
};
const linear = (hex) =>
  [1, 3, 5].map((i) => {
    const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
const bright = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
const luminance = (hex) => bright(linear(hex));
const ratio = (a, b) => {
  const [hi, lo] = [luminance(value(a)), luminance(value(b))].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
};

/** [foreground, background]: text needs 4.5. */
const TEXT = [
  ["text", "surface"],
  ["text", "ground"],
  ["text-sub", "surface"],
  ["text-sub", "ground"],
  ["text-sub", "n-100"],
  ["n-700", "n-100"],
  ["link", "surface"],
  ["link-visited", "surface"],
  ["white", "action"],
  ["white", "action-down"],
  ["action-down", "action-surface"],
  ["white", "ai-900"],
  ["danger", "surface"],
  ["danger", "danger-surface"],
  ["enji-800", "danger-surface"],
  ["white", "enji-700"],
  ["caution", "surface"],
  ["odo-800", "caution-surface"],
  ["done", "done-surface"],
  ["personal", "personal-surface"],
  ...["done", "doing", "part", "todo", "unknown"].map((s) => [`snow-${s}`, "surface"]),
  ["snow-done", "kusa-50"],
  ["snow-doing", "ai-50"],
  ["snow-part", "odo-50"],
  ["snow-todo", "enji-50"],
  ["n-600", "n-100"],
];

/** Shapes, lines and borders need 3. */
const SHAPE = [
  ["control-border", "surface"],
  ["control-border", "ground"],
  ["focus", "surface"],
  ["odo-500", "surface"],
  ["murasaki-500", "surface"],
  ...["done", "doing", "part", "todo", "unknown", "out"].flatMap((s) => [
    [`snow-${s}`, "map-land"],
    [`snow-${s}`, "map-sea"],
  ]),
  ...["age-0", "age-1", "age-3", "age-6", "age-12"].flatMap((a) => [
    [a, "map-land"],
    [a, "map-sea"],
    [a, "surface"],
  ]),
  ["ai-700", "surface"],
  ["enji-700", "surface"],
  ["kusa-700", "surface"],
  ["murasaki-700", "surface"],
];

for (const [pairs, least] of [
  [TEXT, 4.5],
  [SHAPE, 3],
])
  test(`contrast of at least ${least}`, () => {
    const low = pairs.map(([a, b]) => [a, b, ratio(a, b)]).filter(([, , r]) => r < least);
    assert.deepEqual(low, []);
  });

/** How eyes without one kind of cone see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1.0). */
const EYES = {
  "all cones": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

for (const [eye, rows] of Object.entries(EYES))
  test(`elapsed times grow paler step by step for ${eye}`, () => {
    const seen = (name) => {
      const rgb = linear(value(name));
      return bright(rows.map((row) => Math.min(1, Math.max(0, row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]))));
    };
    const ramp = ["age-0", "age-1", "age-3", "age-6", "age-12"].map(seen);
    for (let i = 1; i < ramp.length; i++) assert.ok((ramp[i] + 0.05) / (ramp[i - 1] + 0.05) >= 1.3, `step ${i}`);
  });

test("the ratios written in tokens.css are right", () => {
  assert.equal(ratio("n-900", "white").toFixed(2), "16.43");
  assert.equal(ratio("ai-700", "white").toFixed(2), "8.59");
  assert.equal(ratio("odo-500", "n-50").toFixed(2), "3.59");
});
