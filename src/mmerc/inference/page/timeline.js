/* A lane a speaker, a bar an utterance. Bars stand in percent: zooming only widens their ground. */

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const TICK_ROOM = 72;
const LETTER = 7;
const EDGES = 4;
const WIDEST = 100000;

class Timeline {
  constructor(data, codes) {
    this.data = data;
    this.codes = codes;
    this.scroll = byId("scroll");
    this.lanes = byId("lanes");
    this.zoom = 1;
    this.stop = null;
    this.bars = data.utterances.map((item, index) => this.bar(item, index));
    this.axis = element("div", { class: "axis", "aria-hidden": "true" });
    this.head = element("div", { class: "head", "aria-hidden": "true" });
    this.lanes.append(this.axis, ...this.speakerLanes(), this.head);
    new ResizeObserver(() => this.fit()).observe(this.scroll);
    this.tabStop(this.bars.find((bar) => bar));
  }

  bar(item, index) {
    if (item.layer === null) return null;
    const { data } = this;
    const told = `${data.speakers[item.speaker]}, ${sureness(data, item)}`;
    const label = `${clock(item.start)}, ${told}: ${item.text}`;
    const attributes = { class: "bar", type: "button", tabindex: "-1", "data-index": index };
    const bar = element("button", { ...attributes, "aria-label": label, title: told });
    bar.style.left = `${(100 * item.start) / data.duration}%`;
    bar.style.width = `${(100 * (item.end - item.start)) / data.duration}%`;
    bar.style.setProperty("--layer", item.layer);
    return paint(bar, data.labels[item.label]);
  }

  speakerLanes() {
    const lanes = this.data.speakers.map((name, speaker) => {
      const own = (item) => item.speaker === speaker && item.layer !== null;
      const layers = this.data.utterances.filter(own).map((item) => item.layer);
      if (layers.length === 0) return null;
      const bars = this.bars.filter((bar, index) => bar && own(this.data.utterances[index]));
      const track = element("div", { class: "track" }, ...bars);
      const deepest = layers.reduce((most, layer) => Math.max(most, layer), 0);
      track.style.setProperty("--layers", deepest + 1);
      const title = element("span", { class: "name", dir: "auto" }, name);
      return element("div", { class: "lane", role: "group", "aria-label": name }, title, track);
    });
    return lanes.filter((lane) => lane);
  }

  /** Ticks and names for the width that there is. */
  fit() {
    const width = this.lanes.clientWidth;
    const { duration, labels, utterances } = this.data;
    const step = STEPS.find((seconds) => (seconds * width) / duration >= TICK_ROOM) ?? 14400;
    const ticks = [];
    for (let time = 0; time < duration; time += step) {
      const tick = element("span", null, clock(time));
      tick.style.left = `${(100 * time) / duration}%`;
      ticks.push(tick);
    }
    this.axis.replaceChildren(...ticks);
    this.bars.forEach((bar, index) => {
      if (!bar) return;
      const item = utterances[index];
      const letters = (((item.end - item.start) * width) / duration - EDGES) / LETTER;
      const names = [labels[item.label].name, this.codes[item.label], ""];
      const name = names.find((text) => text.length <= letters) ?? "";
      if (bar.textContent !== name) bar.textContent = name;
    });
  }

  zoomBy(factor) {
    const room = this.scroll.clientWidth;
    const most = Math.max(1, Math.min(WIDEST, 120 * this.data.duration) / room);
    this.zoom = Math.max(1, Math.min(this.zoom * factor, 2 ** Math.floor(Math.log2(most))));
    this.lanes.style.width = `${100 * this.zoom}%`;
    this.fit();
    this.scroll.scrollLeft = this.head.offsetLeft - room / 2;
    return this.zoom;
  }

  /** Move the playhead; keep it in sight. */
  show(seconds) {
    this.head.style.left = `${(100 * Math.min(seconds, this.data.duration)) / this.data.duration}%`;
    if (this.zoom === 1) return;
    const room = this.scroll.clientWidth;
    const place = this.head.offsetLeft - this.scroll.scrollLeft;
    if (place < 0 || place > room) this.scroll.scrollLeft = this.head.offsetLeft - room / 5;
  }

  choose(index) {
    this.chosen?.removeAttribute("aria-current");
    this.chosen = this.bars[index];
    this.chosen?.setAttribute("aria-current", "true");
    if (this.chosen) this.tabStop(this.chosen);
  }

  filter(shown) {
    this.bars.forEach((bar, index) => {
      if (bar) bar.disabled = !shown[index];
    });
    if (this.stop?.disabled) this.tabStop(this.bars.find((bar) => bar && !bar.disabled));
  }

  /** One bar alone is reached with Tab, the others from there with the arrow keys. */
  tabStop(bar) {
    if (!bar) return;
    this.stop?.setAttribute("tabindex", "-1");
    this.stop = bar;
    bar.setAttribute("tabindex", "0");
  }

  focus(index) {
    this.bars[index].focus();
  }

  secondsAt(pixels) {
    const { left, width } = this.lanes.getBoundingClientRect();
    return (Math.max(0, Math.min(pixels - left, width)) / width) * this.data.duration;
  }
}
