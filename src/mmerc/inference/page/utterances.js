/* The utterances as a table: what the page shows of them all at once, and what is printed. */

class Utterances {
  constructor(data) {
    this.data = data;
    this.list = byId("list");
    this.rows = data.utterances.map((item, index) => this.row(item, index));
    this.buttons = this.rows.map((row) => row.querySelector("button"));
    byId("rows").append(...this.rows);
  }

  row(item, index) {
    const { data } = this;
    const speaker = data.speakers[item.speaker];
    const start = item.start === null ? "–" : clock(item.start);
    const label = `${start}, utterance ${index + 1}, ${speaker}, ${sureness(data, item)}`;
    const attributes = { type: "button", tabindex: "-1", "aria-label": label };
    const time = element("td", { class: "time" }, element("button", attributes, start));
    if (item.end !== null) time.append(element("span", { class: "until" }, `–${clock(item.end)}`));
    const shade = data.labels[item.label];
    const dot = paint(element("span", { class: "dot", "aria-hidden": "true" }), shade);
    return element(
      "tr",
      { "data-index": index },
      time,
      element("td", { class: "who", dir: "auto" }, speaker),
      element("td", { class: "emotion" }, dot, shade.name),
      element("td", { class: "sure" }, percent(item.probabilities[item.label])),
      element("td", { class: "said", dir: "auto" }, item.text),
    );
  }

  choose(index) {
    if (this.chosen !== undefined) {
      this.rows[this.chosen].removeAttribute("aria-current");
      this.buttons[this.chosen].setAttribute("tabindex", "-1");
    }
    this.chosen = index;
    this.rows[index].setAttribute("aria-current", "true");
    this.buttons[index].setAttribute("tabindex", "0");
    this.reveal(this.rows[index]);
  }

  /** Scroll the list, and the list alone, until the row is in sight. */
  reveal(row) {
    const head = this.list.querySelector("thead").offsetHeight;
    const above = row.offsetTop - head;
    const below = row.offsetTop + row.offsetHeight - this.list.clientHeight;
    if (this.list.scrollTop > above) this.list.scrollTop = above;
    if (this.list.scrollTop < below) this.list.scrollTop = below;
  }

  filter(shown) {
    this.rows.forEach((row, index) => {
      row.hidden = !shown[index];
    });
  }

  focus(index) {
    this.buttons[index].focus({ preventScroll: true });
  }
}
