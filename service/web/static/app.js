// What script adds to pages that work without it: no full reload, messages beside fields at once, points that answer.
"use strict";

const results = () => document.getElementById("results");
const form = document.getElementById("question");
let shown = ""; // the query whose answer is on the page
let asking = null; // the request that is under way: a newer one ends it

// Asking without a reload ---------------------------------------------------------------------------------------------

async function ask(address, {remember = "push", refill = false, focus = ""} = {}) {
  if (asking) asking.abort();
  const mine = asking = new AbortController();
  results().setAttribute("aria-busy", "true");
  try {
    const response = await fetch(address, {headers: {Accept: "text/html"}, signal: mine.signal});
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!page.getElementById("results")) throw new TypeError("another page");
    show(page, response.url, remember, refill, focus);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  } finally {
    if (asking === mine) {
      asking = null;
      results().removeAttribute("aria-busy");
    }
  }
}

function show(page, address, remember, refill, focus) {
  const opened = open(), focused = focus || focusedIn(results());
  results().replaceWith(page.getElementById("results"));
  for (const id of opened) if (document.getElementById(id)) document.getElementById(id).open = true;
  if (refill) form.replaceChildren(...page.getElementById("question").childNodes);
  else renew(page);
  replaceAll(page, ".languages, .menu nav, .prices-age, body > footer");
  document.getElementById("filters").textContent = page.getElementById("filters").textContent;
  document.title = page.title;
  if (remember === "push" && address !== location.href) history.pushState(null, "", address);
  if (remember === "replace") history.replaceState(null, "", address);
  shown = location.search;
  asked = question();
  ready();
  const next = document.getElementById("problem") || (focused && document.getElementById(focused));
  if (next) next.focus({preventScroll: next.id !== "problem"});
  document.getElementById("status").textContent = results().dataset.announcement;
}

const open = () => [...results().querySelectorAll("details[id][open]")].map(details => details.id);

// What has the focus in what is about to be replaced, so that it gets it back.
function focusedIn(place) {
  const active = document.activeElement;
  return place.contains(active) && active !== place ? active.id || "table-heading" : "";
}

// The form keeps what is typed; what it says of it is new.
function renew(page) {
  for (const field of form.querySelectorAll("input[id], select[id]")) {
    const fresh = page.getElementById(field.id);
    if (!fresh) continue;
    for (const name of ["placeholder", "aria-invalid", "data-limit"]) {
      if (fresh.hasAttribute(name)) field.setAttribute(name, fresh.getAttribute(name));
      else field.removeAttribute(name);
    }
  }
  for (const told of form.querySelectorAll(".errors, .hint[id]")) {
    const fresh = page.getElementById(told.id);
    if (fresh) told.replaceChildren(...fresh.childNodes);
  }
  const chosen = page.querySelectorAll("#question .chosen");
  form.querySelectorAll(".chosen").forEach((words, place) => words.replaceWith(chosen[place].cloneNode(true)));
}

function replaceAll(page, selector) {
  const fresh = page.querySelectorAll(selector);
  document.querySelectorAll(selector).forEach((old, place) => fresh[place] && old.replaceWith(fresh[place]));
}

// The question as it stands in the form; the server makes the shortest address of it.
const question = () => `/?${new URLSearchParams(new FormData(form))}`;

let asked = ""; // the question that was last sent: leaving a field that did not change asks nothing

function submit(remember) {
  const wanted = question();
  if (wanted === asked) return;
  asked = wanted;
  ask(wanted, {remember});
}

// Messages beside the fields ------------------------------------------------------------------------------------------

function isWithin(field) {
  const typed = field.value.trim();
  if (!typed) return true;
  const text = typed.includes(".") ? typed : typed.replace(",", ".");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text)) return false;
  const {least, most, whole, above} = field.dataset, number = Number(text);
  if (whole !== undefined && !Number.isInteger(number)) return false;
  return number <= Number(most) && (above !== undefined ? number > Number(least) : number >= Number(least));
}

function judge(field) {
  const place = document.getElementById(`${field.id}-error`), within = isWithin(field);
  const message = document.createElement("span");
  message.className = "error";
  message.textContent = field.dataset.limit;
  place.replaceChildren(...(within ? [] : [message]));
  if (within) field.removeAttribute("aria-invalid");
  else field.setAttribute("aria-invalid", "true");
  return within;
}

const judged = () => [...form.querySelectorAll("input[data-limit]")];

// A message that stands is taken back as soon as it no longer holds; a new one waits until the field is left.
function onInput(event) {
  const field = event.target;
  if (field.dataset.filter !== undefined) return filterChoices(field);
  if (field.dataset.limit !== undefined && field.getAttribute("aria-invalid")) judge(field);
}

function onChange(event) {
  const field = event.target;
  if (field.dataset.filter !== undefined) return;
  if (field.name === "rig" && field.type === "checkbox" && field.checked) {
    for (const input of form.querySelectorAll("input[name=rig][type=text]")) input.value = "";
  } else if (field.name === "rig" && field.value.trim()) {
    for (const none of form.querySelectorAll("input[name=rig][type=checkbox]")) none.checked = false;
  }
  if (field.id === "workload" && field.value === "own") {
    form.querySelector(".own-model").open = true;
    return; // nothing is described yet
  }
  if (field.dataset.limit !== undefined && !judge(field)) return;
  if (form.querySelector(".own-model").contains(field)) {
    if (document.getElementById("workload").value !== "own") document.getElementById("workload").value = "own";
    if (!isDescribed()) return;
  }
  submit("push");
}

const value = id => document.getElementById(id).value.trim();
const isDescribed = () =>
  (["layers", "width", "heads", "vocabulary", "seq_len", "tokens"].every(value)) ||
  (["reference_gpu", "reference_hours"].every(value) && !["layers", "width", "heads"].some(value));

function onSubmit(event) {
  event.preventDefault();
  const wrong = judged().filter(field => !judge(field));
  if (wrong.length) return reveal(wrong[0]);
  asked = "";
  submit("push");
}

// A field may stand in a fold.
function reveal(field) {
  for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  field.focus();
}

// A long list is narrowed by what is typed above it.
function addFilters() {
  for (const group of form.querySelectorAll(".choices > [role=group]")) {
    if (group.querySelectorAll(".tick").length < 9 || group.querySelector("[data-filter]")) continue;
    const input = document.createElement("input");
    input.type = "text";
    input.dataset.filter = "";
    input.autocomplete = "off";
    input.setAttribute("aria-label", form.dataset.find);
    input.placeholder = form.dataset.find;
    group.prepend(input);
  }
}

function filterChoices(input) {
  const wanted = input.value.trim().toLowerCase();
  for (const tick of input.parentElement.querySelectorAll(".tick")) {
    tick.hidden = !tick.textContent.toLowerCase().includes(wanted);
  }
}

// Links within the ranking --------------------------------------------------------------------------------------------

function onClick(event) {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const point = event.target.closest("[data-o]");
  if (point) return follow(event, point);
  const link = event.target.closest("a");
  if (!link || link.target || link.origin !== location.origin) return;
  if (link.hash && link.closest(".problem")) return goTo(event, link);
  if (!link.closest("#results, .actions") || link.pathname !== "/") return;
  if (link.hash && link.search === location.search) return;
  event.preventDefault();
  asked = "";
  ask(link.href.split("#")[0], {refill: true, focus: link.id || (link.closest(".chips") ? "table-heading" : "")});
}

function goTo(event, link) {
  const field = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!field) return;
  event.preventDefault();
  const control = field.matches("input, select, a") ? field : field.querySelector("[aria-invalid]") || field;
  reveal(control);
}

// The chart -----------------------------------------------------------------------------------------------------------

// A point leads to its row, or to its own page where its row is on another page of the table.
function follow(event, point) {
  event.preventDefault();
  const row = document.getElementById(`o-${point.dataset.o}`);
  if (!row) return location.assign(results().dataset.option + point.dataset.o);
  row.querySelector("th a").focus({preventScroll: true});
  row.scrollIntoView({block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"});
  mark(point.dataset.o);
}

function mark(id) {
  for (const marked of results().querySelectorAll(".marked")) marked.classList.remove("marked");
  if (!id) return;
  for (const one of results().querySelectorAll(`[data-o="${id}"]`)) one.classList.add("marked");
  document.getElementById(`o-${id}`)?.classList.add("marked");
}

let tip = null;

function point(event) {
  const over = event.target.closest?.("[data-o]");
  if (over) return tell(over);
  if (event.target.closest?.(".tip")) return; // the pointer may rest on what it says
  const row = event.target.closest?.("tr[id^='o-']");
  hide();
  mark(row ? row.id.slice(2) : "");
}

function tell(over) {
  const title = over.querySelector("title");
  if (title) {
    over.dataset.words = title.textContent;
    title.remove(); // else the browser shows its own as well
  }
  hide();
  mark(over.dataset.o);
  const figure = document.getElementById("chart"), box = figure.getBoundingClientRect();
  const at = over.querySelector(".point").getBoundingClientRect();
  tip = document.createElement("div");
  tip.className = "tip";
  tip.textContent = over.dataset.words;
  figure.append(tip);
  const left = Math.min(Math.max(at.left - box.left - tip.offsetWidth / 2, 0), box.width - tip.offsetWidth);
  const top = at.top - box.top - tip.offsetHeight - 8;
  tip.style.left = `${left}px`; // the policy forbids styles in markup, not those that script sets one by one
  tip.style.top = `${top > 0 ? top : at.bottom - box.top + 8}px`;
}

function hide() {
  tip?.remove();
  tip = null;
}

// What is there once the page, or a new answer, is --------------------------------------------------------------------

function ready() {
  hide();
  const copy = document.getElementById("copy");
  if (copy) {
    delete copy.dataset.waits;
    copy.onclick = () => copyLink(copy);
  }
  if (form) addFilters();
}

// Back and forward: the address is there already, its answer is not. A move within the page is none.
function restore() {
  if (location.search === shown) return;
  asked = "";
  ask(location.href, {remember: "", refill: true});
}

function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details")) target.open = true;
}

async function copyLink(button) {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    return prompt(button.textContent, location.href); // no permission, or no secure address
  }
  document.getElementById("status").textContent = button.dataset.done;
  const words = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = words; }, 2000);
}

function begin() {
  addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach(fold => { fold.open = true; }));
  if (!form || !results()) return;
  form.noValidate = true;
  form.addEventListener("input", onInput);
  form.addEventListener("change", onChange);
  form.addEventListener("submit", onSubmit);
  document.addEventListener("click", onClick);
  document.addEventListener("pointerover", point);
  document.addEventListener("focusin", event => {
    const row = event.target.closest("tr[id^='o-']");
    if (row) mark(row.id.slice(2));
  });
  document.addEventListener("keydown", event => { if (event.key === "Escape") { hide(); mark(""); } });
  addEventListener("popstate", restore);
  addEventListener("hashchange", unfold);
  asked = question();
  shown = location.search;
  ready();
  document.getElementById("problem")?.focus();
}

begin();
