/* The chosen utterance: what was said, every emotion's probability, and what decided. */

const SCALE =
  "Points of the probability that go when it is left out; below 0 it spoke against the emotion.";

function detailsOf(data, item) {
  return [
    element("p", { class: "quiet" }, when(item)),
    element("p", { class: "name", dir: "auto" }, data.speakers[item.speaker]),
    element("blockquote", { dir: "auto" }, item.text || "(no words)"),
    element("h3", null, "Emotion"),
    emotions(data, item),
    element("h3", null, "What counted"),
    reasons(item),
    element("p", { class: "quiet small" }, SCALE),
  ];
}

function when(item) {
  if (item.start === null) return "no time known";
  if (item.end === null) return `from ${clock(item.start, 1)}`;
  const seconds = (item.end - item.start).toFixed(1);
  return `${clock(item.start, 1)} to ${clock(item.end, 1)}, ${seconds} s`;
}

function emotions(data, item) {
  const rows = data.labels.map((label, place) => {
    const row = meter(label.name, item.probabilities[place], percent(item.probabilities[place]));
    if (place === item.label) row.classList.add("told");
    return paint(row, label);
  });
  return element("ul", { class: "meters" }, ...rows);
}

function reasons(item) {
  const rows = Object.entries(item.effects).map(([modality, effect]) => {
    if (effect !== null) return effectOf(modality, effect);
    const why = modality in item.absent ? `absent: ${item.absent[modality]}` : "not tried";
    return element("li", null, element("span", null, modality), element("em", null, why));
  });
  if (item.context !== null) rows.push(effectOf("context", item.context));
  return element("ul", { class: "meters" }, ...rows);
}

function effectOf(name, effect) {
  const row = meter(name, Math.abs(effect), points(effect));
  if (effect < 0) row.classList.add("against");
  return row;
}

/** A name, a bar as long as the share (0 to 1), and the number itself. */
function meter(name, share, number) {
  const bar = element("span", { class: "meter", "aria-hidden": "true" }, element("span"));
  bar.firstChild.style.width = `${100 * share}%`;
  return element("li", null, element("span", null, name), bar, element("b", null, number));
}
