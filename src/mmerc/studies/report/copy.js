/* Buttons that copy a part of the page as text. */

/** @param {HTMLElement} part */
function select(part) {
  const range = document.createRange();
  range.selectNodeContents(part);
  getSelection()?.removeAllRanges();
  getSelection()?.addRange(range);
}

/** @param {HTMLButtonElement} button */
async function copy(button) {
  const part = document.getElementById(button.dataset["copy"] ?? "");
  const status = document.getElementById("copied");
  if (part === null || status === null) return;
  try {
    await navigator.clipboard.writeText(part.innerText.trim());
    status.textContent = "Copied.";
  } catch {
    select(part);
    status.textContent = "Selected: copy it with Ctrl+C.";
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (button instanceof HTMLButtonElement) {
    button.hidden = false;
    button.addEventListener("click", () => void copy(button));
  }
}
