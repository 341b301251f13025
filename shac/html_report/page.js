"use strict";

const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

for (const place of document.querySelectorAll(".plot")) {
  const figure = figures[place.dataset.figure];
  if (!figure) {
    place.textContent = "Nothing to show yet.";
    place.style.minHeight = "0";
    continue;
  }
  figure.layout.font.family = getComputedStyle(document.body).fontFamily;
  Plotly.newPlot(place, figure.data, figure.layout, options).then(() => { place.dataset.drawn = "yes"; });
}

function compare(a, b) {
  const x = Number(a), y = Number(b);
  const numbers = [a.trim() !== "" && !Number.isNaN(x), b.trim() !== "" && !Number.isNaN(y)];
  if (numbers[0] && numbers[1]) return x - y;
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return a.localeCompare(b);
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    const column = head.cellIndex;
    rows.sort((a, b) => (ascending ? 1 : -1) * compare(a.cells[column].textContent, b.cells[column].textContent));
    table.tBodies[0].append(...rows);
  });
}

function copyWithoutClipboard(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const text = button.closest("figure").querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyWithoutClipboard(text); // pages opened from a file may have no clipboard
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
