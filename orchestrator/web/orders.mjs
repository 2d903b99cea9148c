// The dialogs by which an operator orders something: what it does, and a confirmation.

import {draw, h} from "/draw.mjs";
import {call} from "/feed.mjs";
import {mark, told} from "/views.mjs";
import {span, t, word} from "/words.mjs";

const dialog = document.getElementById("dialog");

// The dialog that is open: {kind, service, ...}; null: none.
let open = null;

function field(name, label, control) {
  return h("div", {class: "field"}, h("label", {for: name}, label), control);
}

function reasonField() {
  return field("reason", t("dialog.reason"),
               h("input", {id: "reason", name: "reason", type: "text", maxlength: "200",
                           autocomplete: "off"}));
}

function problemLine() {
  return h("p", {id: "dialog-problem", class: "problem", role: "alert"},
           open.problem && [mark("bad"), " ", open.problem]);
}

function frame(title, ...inside) {
  return h("form", {"data-dialog": open.kind, "data-key": open.kind, novalidate: true},
           h("h2", {id: "dialog-title", tabindex: "-1"}, title), inside);
}

function buttons(label, kind = "main") {
  return h("div", {class: "buttons"},
           label && h("button", {type: "submit", class: kind, "data-key": "submit",
                                 disabled: open.sending},
                      open.sending ? t("dialog.sending") : label),
           h("button", {type: "button", "data-close": "1", "data-key": "close"},
             t(label ? "dialog.back" : "dialog.close")));
}

function longestTtl(service) {
  const servers = service.record.flatMap((record) => record.servers);
  return Math.max(0, ...servers.map((server) => server.ttl ?? 0));
}

// A plan has the steps that write; what comes between is a step of the move too.
function namesOfSteps(plan) {
  const after = {"fence": ["catch up"], "publish": ["verify"]};
  return [...new Set(plan.steps.flatMap((step) => [step.name, ...(after[step.name] ?? [])]))];
}

function planSteps(plan) {
  return h("ol", {class: "plan"}, namesOfSteps(plan).map((name) => {
    const key = `plan.${name}`;
    const means = t(key, plan.from, plan.to);
    const step = plan.steps.find((one) => one.name === name);
    return h("li", {},
             h("b", {}, word("step", name)), means === key ? "" : ` ${means}`,
             step?.state === "failed" && h("span", {class: "problem"}, " ", mark("bad"), " ",
                                           t("switch.step_fails", step.detail)));
  }));
}

function planWrites(plan) {
  return h("details", {},
           h("summary", {}, t("switch.writes")),
           plan.steps.filter((step) => step.writes.length).map((step) => [
             h("h3", {}, word("step", step.name)),
             h("pre", {lang: "en", tabindex: "0"}, step.writes.join("\n"))]));
}

function planFacts(plan, service) {
  const fact = (label, ...value) => h("div", {}, h("dt", {}, t(label)), h("dd", {}, value));
  const shut = plan.gates.find((gate) => gate.name === plan.refused_by);
  const budget = open.budget;
  return h("dl", {class: "facts"},
           fact("switch.from", h("b", {}, plan.from)),
           fact("switch.to", h("b", {}, plan.to)),
           fact("switch.time", t("switch.time_what", span(plan.expected_s), plan.expected_from,
                                 span(budget))),
           longestTtl(service) > 0 &&
             fact("switch.caches", t("switch.caches_what", span(longestTtl(service)))),
           fact("switch.loss", mark("good"), " ", t("switch.loss_none", plan.to)),
           fact("switch.gates", shut
             ? [mark("bad"), " ", t("switch.refused", word("gatename", shut.name), ""),
                told(shut.reason)]
             : [mark("good"), " ", t("switch.gates_open")]));
}

function confirmField(plan) {
  return h("div", {class: "field"},
           h("label", {for: "confirm"}, t("switch.confirm", plan.to)),
           h("input", {id: "confirm", name: "confirm", type: "text", autocomplete: "off",
                       autocapitalize: "none", spellcheck: "false", required: true,
                       "aria-describedby": "dialog-problem"}));
}

function switchoverView() {
  const {service, plan} = open;
  const title = t("switch.title", service.name);
  if (!plan) {
    return frame(title, h("p", {role: "status"}, open.problem ? "" : t("switch.planning")),
                 problemLine(), buttons(""));
  }
  if (plan.refused_by) {
    return frame(title, planFacts(plan, service),
                 h("p", {class: "note"}, t("switch.refused_what", plan.from, service.name)),
                 problemLine(), buttons(""));
  }
  return frame(title, planFacts(plan, service),
               h("h3", {}, t("switch.steps")), planSteps(plan), planWrites(plan),
               confirmField(plan), reasonField(), problemLine(),
               buttons(t("switch.do", service.name, plan.to), "danger"));
}

function pauseView() {
  const choices = [["", "pause.ever"], ["30m", "pause.30m"], ["2h", "pause.2h"],
                   ["12h", "pause.12h"]];
  return frame(t("pause.title", open.service.name), h("p", {}, t("pause.what")),
               field("for", t("pause.for"),
                     h("select", {id: "for", name: "for"}, choices.map(
                       ([value, label]) => h("option", {value}, t(label))))),
               reasonField(), problemLine(), buttons(t("pause.do")));
}

// Orders that take a reason and nothing else.
function plainView() {
  const {kind, service} = open;
  return frame(t(`${kind}.title`, service.name), h("p", {}, t(`${kind}.what`)), reasonField(),
               problemLine(), buttons(t(`${kind}.do`), kind === "cancel" ? "danger" : "main"));
}

const VIEWS = {switchover: switchoverView, pause: pauseView, resume: plainView, ack: plainView,
               cancel: plainView};

function redraw() {
  if (open) draw(dialog, VIEWS[open.kind]());
}

export function redrawDialog() {
  redraw();
}

export function closeDialog() {
  if (dialog.open) dialog.close();
}

async function fetchPlan(asked) {
  const path = `/api/v1/services/${encodeURIComponent(asked.service.name)}`;
  const [answer, explained] = await Promise.all([
    call("POST", `${path}/switchover`, {to: asked.to, dry_run: true}),
    call("GET", `${path}/explain?kind=switchover`)]);
  if (open !== asked) return;
  if (answer.status === 200 && explained.status === 200) {
    asked.plan = answer.body.plan;
    asked.budget = explained.body.budget_s;
  } else {
    const failed = answer.status === 200 ? explained : answer;
    asked.problem = t("switch.noplan", failed.problem);
  }
  redraw();
  // Read from its beginning, on a phone and aloud, before anything is typed.
  document.getElementById("dialog-title")?.focus();
}

export function openDialog(kind, service) {
  const to = service.sites.find((site) => site.name !== service.primary)?.name;
  open = {kind, service, to, plan: null, problem: "", sending: false};
  draw(dialog, []);
  redraw();
  dialog.showModal();
  if (kind === "switchover") fetchPlan(open);
}

function bodyOf(form) {
  const body = {};
  const reason = form.elements.namedItem("reason")?.value.trim();
  if (reason) body.reason = reason;
  const lasting = form.elements.namedItem("for")?.value;
  if (lasting) body.for = lasting;
  if (open.kind === "switchover") body.to = open.plan.to;
  return body;
}

// What an answer that is no success means: it was refused, or nobody knows.
function problemOf({status, problem}) {
  if (status === 409) return t("dialog.refused", problem);
  if (status === 401 || status === 403 || status === 400) return t("dialog.forbidden", problem);
  return t("dialog.failed", problem);
}

async function submit(form, done) {
  const asked = open;
  if (!asked || asked.sending || (asked.kind === "switchover" && !asked.plan)) return;
  if (asked.kind === "switchover") {
    const confirm = form.elements.namedItem("confirm");
    if (confirm.value.trim() !== asked.plan.to) {
      asked.problem = t("switch.wrong", asked.plan.to);
      redraw();
      confirm.setAttribute("aria-invalid", "true");
      confirm.focus();
      confirm.select();
      return;
    }
  }
  asked.sending = true;
  asked.problem = "";
  redraw();
  const name = encodeURIComponent(asked.service.name);
  const answer = await call("POST", `/api/v1/services/${name}/${asked.kind}`, bodyOf(form));
  asked.sending = false;
  if (answer.status === 200 || answer.status === 202) {
    if (open === asked) closeDialog();
    done(answer.body.text ?? "");
    return;
  }
  asked.problem = problemOf(answer);
  redraw();
}

// `done(text)`: an order was taken; `text` is what the daemon says of it.
export function startDialogs(done) {
  dialog.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(event.target, done);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) closeDialog();
  });
  dialog.addEventListener("close", () => {
    open = null;
  });
}
