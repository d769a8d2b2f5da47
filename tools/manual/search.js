// The search box, over `names` of index.js: [name, where, text]. Works from file:, too.
"use strict";
const box = document.getElementById("search");
const list = document.getElementById("found");
const most = 20;
let chosen = 0;

// Lower is better: the name itself, its beginning, the beginning of a word in it, anywhere in it, in the text; -1: not at all.
function rank([name, , text], sought) {
    const low = name.toLowerCase();
    if (low === sought || low === "errand_" + sought) return 0;
    if (low.startsWith(sought) || low.startsWith("errand_" + sought)) return 1;
    if (low.includes("_" + sought)) return 2;
    const words = sought.split(/[\s_]+/).filter(Boolean);
    if (words.every((word) => low.includes(word))) return 3;
    return words.every((word) => (low + " " + text.toLowerCase()).includes(word)) ? 4 : -1;
}

function entry([name, where, text], at) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = where;
    link.className = at === chosen ? "chosen" : "";
    link.append(name, Object.assign(document.createElement("small"), { textContent: text }));
    item.append(link);
    return item;
}

function show() {
    const sought = box.value.trim().toLowerCase();
    const found = sought === "" ? [] : names
        .map((one) => [rank(one, sought), one])
        .filter(([how]) => how >= 0)
        .sort((a, b) => a[0] - b[0] || a[1][0].length - b[1][0].length)
        .slice(0, most);
    chosen = Math.max(0, Math.min(chosen, found.length - 1));
    list.replaceChildren(...found.map(([, one], at) => entry(one, at)));
    if (sought !== "" && found.length === 0) list.append("Nothing found.");
    list.hidden = sought === "";
}

function leave() {
    box.value = "";
    show();
}

box.addEventListener("input", () => { chosen = 0; show(); });
box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        chosen += event.key === "ArrowDown" ? 1 : -1;
        show();
        event.preventDefault();
    } else if (event.key === "Enter") {
        list.querySelector(".chosen")?.click();
    } else if (event.key === "Escape") {
        leave();
    }
});
list.addEventListener("click", leave);
document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) {
        box.focus();
        event.preventDefault();
    }
});
if (matchMedia("(min-width: 64em)").matches) document.querySelector("nav details").open = true;
if (location.hash.startsWith("#search=")) { // a search to begin with
    box.value = decodeURIComponent(location.hash.slice(8));
    show();
}
