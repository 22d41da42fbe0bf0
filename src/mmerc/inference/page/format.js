/* Numbers as text. */

/**
 * 75.25 -> "1:15"; with one digit "1:15.3".
 * @param {number} seconds
 * @param {number} [digits]
 */
export function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const whole = digits ? Math.round(seconds * unit) : Math.floor(seconds);
  const rounded = digits ? whole / unit : whole;
  const minutes = Math.floor(rounded / 60);
  const rest = (rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/**
 * 0.753 -> "75%".
 * @param {number} share
 */
export const percent = (share) => `${Math.round(100 * share)}%`;

/**
 * 0.12 -> "+12", -0.001 -> "+0".
 * @param {number} effect
 */
export const points = (effect) => {
  const rounded = Math.round(100 * effect);
  return `${rounded < 0 ? "\u2212" : "+"}${Math.abs(rounded)}`;
};

/**
 * 2, "utterance" -> "2 utterances".
 * @param {number} number
 * @param {string} noun
 */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
