"use strict";

const options = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

// On a phone names and ranges stand above their blocks, not beside them, and axes have three labels.
function makeNarrow(layout) {
  layout.margin = { ...layout.margin, l: 52, r: 12, t: 24 };
  layout.height *= 1.2;
  layout.annotations.forEach((annotation, i) => {
    const block = Math.floor(i / 2) + 1;
    const top = layout[block === 1 ? "yaxis" : `yaxis${block}`].domain[1];
    const isName = i % 2 === 0;
    Object.assign(annotation, { x: isName ? 0 : 1, xanchor: isName ? "left" : "right", xshift: 0, y: top, yanchor: "bottom" });
    if (!isName && annotation.text.length > 30) annotation.text = annotation.text.slice(0, 29) + "…";
  });
  for (const [name, axis] of Object.entries(layout)) {
    if (!name.startsWith("xaxis") || axis.tickvals.length < 4) continue;
    const last = axis.tickvals.length - 1;
    const kept = [0, Math.round(last / 2), last];
    axis.tickvals = kept.map((i) => axis.tickvals[i]);
    axis.ticktext = kept.map((i) => axis.ticktext[i]);
  }
}

const dark = matchMedia("screen and (prefers-color-scheme: dark)");

// Figures are made for a light page. On a dark one each colour has another, and scales go from the page's to light ones.
const darkColours = {
  "#1f2933": "#e3e8ee", "#7b8794": "#9aa7b5", "#e4e7eb": "#313b47", "#2f6fde": "#6ea0f5", "#e07a1f": "#f0964a",
  "#c0392b": "#ee7b6c", "#b6bec9": "#5b6775", white: "#1b222b", "rgba(255,255,255,0.82)": "rgba(27,34,43,0.82)",
  "rgba(47,111,222,0.16)": "rgba(110,160,245,0.22)", "#f7f9fc": "#1b222b", "#cfe0f8": "#23406e", "#8db8ef": "#2f63b5",
  "#1f5fc4": "#8db8ef", "#123a80": "#e0ecfb",
};

function withColoursOfPage(part, isColour = false) {
  if (!dark.matches) return part;
  if (typeof part === "string") return isColour ? darkColours[part] ?? part : part;
  if (Array.isArray(part)) return part.map((entry) => withColoursOfPage(entry, isColour));
  if (part === null || typeof part !== "object") return part;
  const changed = ([name, value]) => [name, withColoursOfPage(value, /color/.test(name))];
  return Object.fromEntries(Object.entries(part).map(changed));
}

function draw(figures) {
  for (const place of document.querySelectorAll(".plot")) {
    const figure = withColoursOfPage(figures[place.dataset.figure]);
    if (!figure) {
      place.textContent = "Nothing to show yet.";
      place.style.minHeight = "0";
      continue;
    }
    if (!place.dataset.drawn) {
      place.textContent = "";
      place.style.minHeight = "";
    }
    if (place.dataset.figure === "region" && place.clientWidth < 560) makeNarrow(figure.layout);
    figure.layout.font.family = getComputedStyle(document.body).fontFamily;
    figure.layout.uirevision = "kept"; // what was zoomed stays so when there is something new
    Plotly.react(place, figure.data, figure.layout, options).then(() => { place.dataset.drawn = "yes"; });
  }
}

function compare(a, b) {
  const x = Number(a), y = Number(b);
  const numbers = [a.trim() !== "" && !Number.isNaN(x), b.trim() !== "" && !Number.isNaN(y)];
  if (numbers[0] && numbers[1]) return x - y;
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return a.localeCompare(b);
}

function makeSortable() {
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
}

function copyWithoutClipboard(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function makeCopyable() {
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
}

function drawAll() {
  draw(JSON.parse(document.getElementById("figures").textContent));
}

function start() {
  drawAll();
  makeSortable();
  makeCopyable();
}

// A page that a server keeps up to date: asks whether there is news, and puts it where it belongs.

function nameOf(details) {
  return details.closest("section").id + details.querySelector("summary").textContent;
}

async function takeIn() {
  const text = await (await fetch("/", { cache: "no-store" })).text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (typeof Plotly === "undefined" && fresh.querySelector("script[src]")) {
    location.reload(); // the search has begun
    return;
  }
  const main = document.adoptNode(fresh.querySelector("main"));
  const open = new Set([...document.querySelectorAll("main details[open]")].map(nameOf));
  for (const details of main.querySelectorAll("details")) details.open = open.has(nameOf(details));
  for (const place of main.querySelectorAll(".plot")) {
    const drawn = document.querySelector(`main .plot[data-figure="${place.dataset.figure}"]`);
    if (drawn) place.replaceWith(drawn);
  }
  document.querySelector("main").replaceWith(main);
  document.getElementById("figures").textContent = fresh.getElementById("figures").textContent;
  document.body.dataset.live = fresh.body.dataset.live;
  start();
}

async function follow() {
  try {
    const state = await (await fetch("/state", { cache: "no-store" })).text();
    if (state !== document.body.dataset.live) await takeIn();
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost"); // the server has ended; it may come back
  }
  setTimeout(follow, 1000);
}

start();
dark.addEventListener("change", drawAll);
if ("live" in document.body.dataset) setTimeout(follow, 1000);
