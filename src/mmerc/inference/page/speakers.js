/* How each speaker's time is shared among the emotions. */

function summaryOf(data, codes) {
  return data.speakers.map((name, speaker) => {
    const said = data.utterances.filter((item) => item.speaker === speaker);
    const { seconds, shares } = sharesOf(data, said);
    const count = said.length === 1 ? "1 utterance" : `${said.length} utterances`;
    const time = seconds ? `${clock(seconds)} of speech` : "no times known, so shares by number";
    const there = shares.filter(({ share }) => share > 0);
    const pieces = there.map(({ place, share }) => {
      const piece = element("span", null, share > 0.04 ? codes[place] : "");
      piece.style.flexGrow = share;
      return paint(piece, data.labels[place]);
    });
    const texts = there.map(({ place, share }) => {
      const label = data.labels[place];
      const dot = paint(element("span", { class: "dot", "aria-hidden": "true" }), label);
      return element("li", null, dot, `${label.name} ${percent(share)}`);
    });
    return element(
      "article",
      null,
      element("h3", { dir: "auto" }, name),
      element("p", { class: "quiet" }, `${count}, ${time}`),
      element("div", { class: "stack", "aria-hidden": "true" }, ...pieces),
      element("ul", { class: "shares" }, ...texts),
    );
  });
}

/** Seconds of speech, and each label's share of them; of the utterances where no time is known. */
function sharesOf(data, said) {
  const seconds = said.reduce((sum, item) => sum + lasting(item), 0);
  const weigh = seconds ? lasting : () => 1;
  const whole = seconds || said.length;
  const totals = data.labels.map(() => 0);
  for (const item of said) totals[item.label] += weigh(item);
  return { seconds, shares: totals.map((total, place) => ({ place, share: total / whole })) };
}

const lasting = (item) => (item.layer === null ? 0 : item.end - item.start);
