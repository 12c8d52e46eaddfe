// The map itself; loaded by kr-map when somebody wants it.
import {
  type ExpressionSpecification,
  type LayerSpecification,
  type MapGeoJSONFeature,
  Map as MapView,
  setWorkerUrl,
  type VectorSourceSpecification,
} from "maplibre-gl";
import type { Words } from "./kr-map";

declare const WORKER_FILE: string;

type Width = ExpressionSpecification;
/** What a line can show, and what it shows of a road that the file does not list. */
const VIEWS = {
  state: { names: ["done", "doing", "part", "todo", "unknown", "out"], rest: "unknown" },
  age: { names: ["h1", "h3", "h6", "h12", "h24", "older"], rest: "never" },
} as const;
type View = keyof typeof VIEWS;
const viewOf = (host: HTMLElement): View => (host.getAttribute("view") === "age" ? "age" : "state");

const FONT = "Hiragino Sans,BIZ UDPGothic,Meiryo,Noto Sans JP,Noto Sans CJK JP,sans-serif";

/** Opens the map in `box` and returns what closes it. */
export async function open(host: HTMLElement, box: HTMLElement, said: HTMLElement, word: Words): Promise<() => void> {
  await styles(host.getAttribute("css"));
  setWorkerUrl(new URL(`./${WORKER_FILE}`, import.meta.url).href);
  const bounds = (host.getAttribute("bounds") ?? "").split(",").map(Number);
  if (bounds.length !== 4 || bounds.some(Number.isNaN)) throw new Error("bounds must be west,south,east,north");
  box.classList.remove("kr-map__wait");
  box.lang = host.lang;
  const map = new MapView({
    container: box,
    bounds: bounds as [number, number, number, number],
    fitBoundsOptions: { padding: 16 },
    style: {
      version: 8,
      sources: { base: source(host, "base"), roads: source(host, "roads") },
      layers: layers(host),
    },
    attributionControl: false,
    cooperativeGestures: true,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    localIdeographFontFamily: FONT,
    locale: {
      "Map.Title": `${host.getAttribute("label") ?? ""} ${word("help")}`,
      "CooperativeGesturesHandler.WindowsHelpText": word("wheel"),
      "CooperativeGesturesHandler.MacHelpText": word("wheelMac"),
      "CooperativeGesturesHandler.MobileHelpText": word("gesture"),
    },
  });
  map.touchZoomRotate.disableRotation();
  zoomButtons(box, map, word);
  // Tiles that fail leave a gap, which the next move repairs; they are no reason to give the map up.
  map.on("error", (e) => console.warn("kr-map:", e.error?.message));
  const gone = new Promise<void>((resolve) => map.once("load", () => resolve()));
  await Promise.race([gone, new Promise((_, no) => setTimeout(() => no(new Error("no map in 30 s")), 30_000))]);

  const help = document.createElement("p");
  help.className = "kr-note kr-map__help";
  help.textContent = word("help");
  said.after(help);
  said.textContent = "";
  map.once("idle", () => {
    host.dataset.drawn = "true";
  });
  const stopSelecting = selecting(host, map, said, word);
  const stopPolling = polling(host, map, said, word);
  return () => {
    stopSelecting();
    stopPolling();
    map.remove();
  };
}

function styles(href: string | null): Promise<void> {
  if (!href || document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  const loaded = new Promise<void>((yes, no) => {
    link.addEventListener("load", () => yes());
    link.addEventListener("error", () => no(new Error("no style sheet for the map")));
  });
  document.head.append(link);
  return loaded;
}

function source(host: HTMLElement, name: string): VectorSourceSpecification {
  const address = host.getAttribute(name) ?? `/map/${name}/{z}/{x}/{y}.mvt`;
  // The worker cannot resolve an address without a host, and URL() would encode the braces.
  const whole = address.startsWith("/") ? location.origin + address : address;
  return /\.json(\?|$)/.test(address)
    ? { type: "vector", url: whole }
    : { type: "vector", tiles: [whole], minzoom: 5, maxzoom: 14 };
}

/** A colour role as `rgb(…)`; system colours of forced-colors mode are resolved too. */
function colour(host: HTMLElement, role: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--kr-${role})`;
  host.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const byZoom = (w: number): Width => ["interpolate", ["linear"], ["zoom"], 8, w * 0.35, 11, w * 0.7, 14, w];

/**
 * One layer for each state or age, shown by opacity: dash patterns cannot follow a feature's state. Pattern, width
 * and colour are those of the list and legend (state.css).
 */
function lines(host: HTMLElement): LayerSpecification[] {
  const c = (role: string) => colour(host, role);
  const surface = c("surface");
  const view = viewOf(host);
  const line = (id: string, shown: string, paint: object, layout: object = {}): LayerSpecification => ({
    id,
    type: "line",
    source: "roads",
    "source-layer": "roads",
    layout: { "line-join": "round", ...layout },
    paint: {
      "line-opacity": ["case", ["==", ["coalesce", ["feature-state", "s"], VIEWS[view].rest], shown], 1, 0],
      ...paint,
    },
  });
  const round = { "line-cap": "round" };
  if (view === "age")
    return [
      line("never", "never", { "line-color": c("snow-out"), "line-width": byZoom(1.5) }),
      line("older", "older", { "line-color": c("age-12"), "line-width": byZoom(4), "line-dasharray": [0, 3.5] }, round),
      line("h24", "h24", { "line-color": c("age-12"), "line-width": byZoom(5), "line-dasharray": [0, 1.5] }, round),
      line("h12", "h12", { "line-color": c("age-6"), "line-width": byZoom(5), "line-dasharray": [1, 1] }),
      line("h6", "h6", { "line-color": c("age-3"), "line-width": byZoom(6), "line-dasharray": [2.5, 0.8] }),
      line("h3", "h3", { "line-color": c("age-1"), "line-width": byZoom(7) }),
      line("h3-core", "h3", { "line-color": surface, "line-width": byZoom(2) }),
      line("h1", "h1", { "line-color": c("age-0"), "line-width": byZoom(8) }, round),
    ];
  return [
    line("out", "out", { "line-color": c("snow-out"), "line-width": byZoom(1.5) }),
    line(
      "unknown",
      "unknown",
      { "line-color": c("snow-unknown"), "line-width": byZoom(4), "line-dasharray": [0, 2] },
      round,
    ),
    line("todo", "todo", { "line-color": c("snow-todo"), "line-width": byZoom(6), "line-dasharray": [1.2, 0.8] }),
    line("part", "part", { "line-color": c("snow-part"), "line-width": byZoom(3), "line-offset": byZoom(-3) }),
    line("part-rest", "part", {
      "line-color": c("snow-part"),
      "line-width": byZoom(3),
      "line-offset": byZoom(3),
      "line-dasharray": [1, 1],
    }),
    line("done", "done", { "line-color": c("snow-done"), "line-width": byZoom(6) }, round),
    line("doing", "doing", { "line-color": c("snow-doing"), "line-width": byZoom(8) }),
    line("doing-core", "doing", { "line-color": surface, "line-width": byZoom(2), "line-dasharray": [2.5, 2] }),
  ];
}

function layers(host: HTMLElement): LayerSpecification[] {
  const c = (role: string) => colour(host, role);
  const surface = c("surface");
  const name = { en: "name_en", "ja-x-yasashii": "name_kana" }[host.getAttribute("locale") ?? ""] ?? "name";
  const text: ExpressionSpecification = ["coalesce", ["get", name], ["get", "name"]];
  return [
    { id: "sea", type: "background", paint: { "background-color": c("map-sea") } },
    { id: "land", type: "fill", source: "base", "source-layer": "land", paint: { "fill-color": c("map-land") } },
    {
      id: "boundary",
      type: "line",
      source: "base",
      "source-layer": "boundary",
      paint: { "line-color": c("map-boundary"), "line-width": 1 },
    },
    {
      id: "case",
      type: "line",
      source: "roads",
      "source-layer": "roads",
      layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": surface, "line-width": byZoom(12) },
    },
    {
      id: "chosen",
      type: "line",
      source: "roads",
      "source-layer": "roads",
      layout: { "line-join": "round", "line-cap": "round" },
      paint: {
        "line-color": c("text"),
        "line-width": ["interpolate", ["linear"], ["zoom"], 8, 10, 14, 18],
        "line-opacity": ["case", ["boolean", ["feature-state", "chosen"], false], 1, 0],
      },
    },
    {
      id: "chosen-gap",
      type: "line",
      source: "roads",
      "source-layer": "roads",
      layout: { "line-join": "round", "line-cap": "round" },
      paint: {
        "line-color": surface,
        "line-width": ["interpolate", ["linear"], ["zoom"], 8, 6, 14, 12],
        "line-opacity": ["case", ["boolean", ["feature-state", "chosen"], false], 1, 0],
      },
    },
    ...lines(host),
    {
      id: "place",
      type: "symbol",
      source: "base",
      "source-layer": "place",
      layout: {
        "text-field": text,
        "text-font": [FONT],
        "text-size": ["match", ["get", "kind"], "municipality", 16, 13],
        "text-padding": 6,
        "symbol-sort-key": ["match", ["get", "kind"], "municipality", 0, 1],
      },
      paint: { "text-color": c("text"), "text-halo-color": surface, "text-halo-width": 2 },
    },
  ];
}

function zoomButtons(box: HTMLElement, map: MapView, word: Words): void {
  const bar = document.createElement("div");
  bar.className = "kr-map__zoom";
  for (const [sign, name, act] of [
    ["＋", word("in"), () => map.zoomIn()],
    ["−", word("out"), () => map.zoomOut()],
  ] as const) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", act);
    bar.append(button);
  }
  box.append(bar);
}

/** Choosing a segment by pointer, by N and P, or Enter for the one nearest the middle. */
function selecting(host: HTMLElement, map: MapView, said: HTMLElement, word: Words): () => void {
  let chosen: number | undefined;
  const target = (id: number) => ({ source: "roads", sourceLayer: "roads", id });

  const choose = (feature: MapGeoJSONFeature | undefined) => {
    if (chosen !== undefined) map.setFeatureState(target(chosen), { chosen: false });
    const id = Number(feature?.id);
    chosen = feature && Number.isInteger(id) ? id : undefined;
    if (!feature || chosen === undefined) return;
    map.setFeatureState(target(chosen), { chosen: true });
    const state = String(map.getFeatureState(target(chosen)).s ?? VIEWS[viewOf(host)].rest);
    const { name, name_en, ref } = feature.properties;
    const title = (host.getAttribute("locale") === "en" && name_en) || name || ref || String(chosen);
    const words = document.createElement("span");
    const strong = document.createElement("b");
    strong.textContent = String(title);
    words.append(strong, ` ${word(`word${state.charAt(0).toUpperCase()}${state.slice(1)}`)}`);
    said.replaceChildren(words);
    const row = (host.getAttribute("row") ?? "") + chosen;
    if (document.getElementById(row)) {
      const link = document.createElement("a");
      link.href = `#${row}`;
      link.textContent = word("goto");
      said.append(link);
    }
  };

  const inView = (): MapGeoJSONFeature[] => {
    const found = map.queryRenderedFeatures({ layers: ["case"] });
    const byId = new Map(found.map((f) => [Number(f.id), f]));
    return [...byId.entries()].sort(([a], [b]) => a - b).map(([, f]) => f);
  };
  const step = (by: number) => {
    const all = inView();
    if (all.length === 0) return;
    const at = all.findIndex((f) => Number(f.id) === chosen);
    choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
  };
  const near = (x: number, y: number, reach: number) =>
    map.queryRenderedFeatures(
      [
        [x - reach, y - reach],
        [x + reach, y + reach],
      ],
      { layers: ["case"] },
    )[0];

  map.on("click", (e) => choose(near(e.point.x, e.point.y, 8)));
  map.on("mouseenter", "case", () => {
    map.getCanvas().style.cursor = "pointer";
  });
  map.on("mouseleave", "case", () => {
    map.getCanvas().style.cursor = "";
  });
  const canvas = map.getCanvas();
  const key = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "n" || e.key === "N") step(1);
    else if (e.key === "p" || e.key === "P") step(-1);
    else if (e.key === "Enter") {
      const { clientWidth: w, clientHeight: h } = canvas;
      for (const reach of [20, 80, 200]) {
        const feature = near(w / 2, h / 2, reach);
        if (feature) return choose(feature);
      }
    }
  };
  canvas.addEventListener("keydown", key);
  return () => canvas.removeEventListener("keydown", key);
}

interface StateFile {
  text: string;
  states: Partial<Record<string, number[]>>;
  ages: Partial<Record<string, number[]>>;
}

/** Joins the state file to the segments, now and every `poll` seconds while the page is visible. */
function polling(host: HTMLElement, map: MapView, said: HTMLElement, word: Words): () => void {
  const known = new Map<number, string>();
  let timer = 0;
  let failed = 0;
  let last = "";
  const every = Math.max(5, Number(host.getAttribute("poll")) || 60) * 1000;

  const load = async () => {
    const address = host.getAttribute("state");
    if (!address) return;
    try {
      const answer = await fetch(address, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const file = (await answer.json()) as StateFile;
      const seen = new Set<number>();
      const view = viewOf(host);
      const listed = view === "age" ? file.ages : file.states;
      for (const state of VIEWS[view].names)
        for (const id of listed[state] ?? []) {
          seen.add(id);
          if (known.get(id) === state) continue;
          known.set(id, state);
          map.setFeatureState({ source: "roads", sourceLayer: "roads", id }, { s: state });
        }
      for (const id of known.keys())
        if (!seen.has(id)) {
          known.delete(id);
          map.removeFeatureState({ source: "roads", sourceLayer: "roads", id }, "s");
        }
      last = file.text;
      failed = 0;
      host.dataset.loaded = String(seen.size);
    } catch (fault) {
      console.warn("kr-map:", fault);
      failed += 1;
      if (failed === 2) said.textContent = word("stale").replace("{time}", last);
    }
    plan();
  };
  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden) timer = window.setTimeout(() => void load(), every);
  };
  const wake = () => {
    if (!document.hidden) void load();
  };
  document.addEventListener("visibilitychange", wake);
  void load();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wake);
  };
}
