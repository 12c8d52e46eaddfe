/**
 * <kr-map>: the map beside a list that says the same.
 *
 * This file is the small frame; MapLibre is loaded when the frame comes near the view on a wide screen, or when
 * somebody presses the button. If that fails a sentence says so and the list remains. Written by the macro
 * `map` in kernel/ui/templates/kr/parts.html.
 *
 * | attribute | meaning |
 * |---|---|
 * | state | address of the state file (below), fetched again every `poll` seconds |
 * | view | what the lines show: `state` (default) or `age`, the time since somebody last worked there |
 * | bounds | west,south,east,north in degrees |
 * | base, roads | tile addresses or TileJSON (`….json`); default /map/base|roads/{z}/{x}/{y}.mvt, zoom 5–14 |
 * | row | a segment's row in the list has the id `row` + segment index |
 * | label | accessible name of the map |
 * | locale | language tag of the page, for the names on the map |
 *
 * It sets `data-drawn` when the first picture is complete and `data-loaded` to the number of roads that the file lists.
 *
 * State file: `{"at": RFC 3339, "text": "10時20分", "states": {"done": [1, 2], "doing": [3] …}}` with the
 * segment indexes, which are the feature ids of layer `roads`; a segment not listed is `unknown`. With `view="age"`
 * the same from `ages` (`h1`, `h3`, `h6`, `h12`, `h24`, `older`); a segment not listed is `never`.
 */
export type Words = (key: string) => string;

class KrMap extends HTMLElement {
  #started = false;
  #stop?: () => void;
  #seen?: IntersectionObserver;

  connectedCallback(): void {
    this.hidden = false;
    if (this.childElementCount === 0) this.#offer();
    const wide = matchMedia("(min-width: 60em)").matches;
    const saving = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true;
    if (!wide || saving || !("IntersectionObserver" in window)) return;
    this.#seen = new IntersectionObserver(
      (entries) => {
        if (entries.some((e) => e.isIntersecting)) void this.#start();
      },
      { rootMargin: "200px" },
    );
    this.#seen.observe(this);
  }

  disconnectedCallback(): void {
    this.#seen?.disconnect();
    this.#stop?.();
    this.#stop = undefined;
    this.#started = false;
  }

  readonly #word: Words = (key) => this.dataset[key] ?? "";

  #offer(): void {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "kr-btn";
    button.textContent = this.#word("show");
    button.addEventListener("click", () => void this.#start(true));
    const box = document.createElement("div");
    box.className = "kr-map__box kr-map__wait";
    box.append(button);
    this.replaceChildren(box);
  }

  async #start(focus = false): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#seen?.disconnect();
    const box = document.createElement("div");
    box.className = "kr-map__box kr-map__wait";
    const said = document.createElement("p");
    said.className = "kr-map__said";
    said.setAttribute("role", "status");
    said.textContent = this.#word("loading");
    this.replaceChildren(box, said);
    try {
      const { open } = await import("./map");
      this.#stop = await open(this, box, said, this.#word);
      if (focus) box.querySelector("canvas")?.focus();
    } catch (fault) {
      console.warn("kr-map:", fault);
      box.remove();
      said.textContent = this.#word("failed");
    }
  }
}

customElements.define("kr-map", KrMap);
