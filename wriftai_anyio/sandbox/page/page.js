"use strict";
// What the server tells is only ever written as text, never as HTML: inputs and outputs are anybody's.
const PAUSE = 500; // milliseconds between two looks
const element = (id) => document.getElementById(id);
let token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
history.replaceState(null, "", location.pathname); // the token must not stay in the address

async function ask(path, body) {
  const options = { headers: { authorization: `Bearer ${token}` } };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    options.headers["content-type"] = "application/json";
  }
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(content.message || answer.statusText), { status: answer.status });
  return content;
}

function cell(row, text, ...classes) {
  const made = row.insertCell();
  made.textContent = text;
  made.classList.add(...classes);
  return made;
}

function button(label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", () => act(action));
  return made;
}

function fill(id, entries, write) {
  const rows = entries.map((entry) => {
    const row = document.createElement("tr");
    write(row, entry);
    return row;
  });
  element(id).replaceChildren(...rows);
  element(`no-${id}`).hidden = entries.length > 0;
}

const STATUS = { succeeded: "good", failed: "bad", abandoned: "bad" };
const seconds = (value) => (value === null ? "" : value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`);

function writePrediction(row, prediction) {
  cell(row, prediction.created, "plain");
  cell(row, prediction.status, "plain", STATUS[prediction.status] || (prediction.ended ? "plain" : "busy"));
  cell(row, prediction.model);
  cell(row, prediction.input, "value");
  cell(row, prediction.result, "value");
  cell(row, seconds(prediction.seconds), "plain");
  const actions = cell(row, "", "plain");
  if (prediction.ended) return;
  for (const [label, status] of [["end", "succeeded"], ["fail", "failed"], ["cancel", "cancelled"]]) {
    actions.append(button(label, () => ask(`/inspect/predictions/${encodeURIComponent(prediction.id)}`, { status })));
  }
}

function writeRequest(row, request) {
  cell(row, request.time, "plain");
  cell(row, `${request.method} ${request.target}`);
  const kind = request.status === null ? "busy" : request.status < 400 ? "good" : "bad";
  cell(row, request.status === null ? "none so far" : request.status, "plain", kind);
  cell(row, seconds(request.seconds), "plain");
  cell(row, request.attempt > 1 ? request.attempt : "", "plain");
}

function show(state) {
  element("sign-in").hidden = true;
  element("content").hidden = false;
  element("limits").textContent = state.limits;
  element("planned").textContent = state.planned ? `Planned: ${state.planned}` : "";
  if (!element("kinds").options.length) {
    element("kinds").replaceChildren(...state.kinds.map((kind) => new Option(kind)));
  }
  fill("predictions", state.predictions, writePrediction);
  fill("requests", state.requests, writeRequest);
}

function complain(error) {
  element("notice").textContent = error.status ? error.message : "The sandbox does not answer. Is it running?";
  if (error.status !== 401) return;
  sessionStorage.removeItem("token");
  token = "";
  element("sign-in").hidden = false;
  element("content").hidden = true;
}

async function act(action) {
  try {
    await action();
    show(await ask("/inspect/state"));
    element("notice").textContent = "";
    sessionStorage.setItem("token", token);
  } catch (error) {
    complain(error);
  }
}

async function follow() {
  if (token && !document.hidden) await act(() => {});
  setTimeout(follow, PAUSE);
}

element("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value.trim();
  act(() => {});
});
element("fault").addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => ask("/inspect/faults", Object.fromEntries(new FormData(event.target))));
});
element("sign-in").hidden = Boolean(token);
follow();
