// What the page shows of one service: descriptions only, from what the API said.

import {h} from "/draw.mjs";
import {listed, span, t, when, word} from "/words.mjs";

const GLYPH = {good: "●", doubt: "▲", bad: "■", dim: "○"};
const STEP_TONE = {done: "good", failed: "bad", running: "doubt"};
const VERDICT_TONE = {up: "good", down: "bad"};
const OUTCOME_TONE = {done: "good", running: "doubt", partial: "doubt", refused: "doubt",
                      failed: "bad"};

export function mark(tone) {
  return h("span", {class: `mark ${tone}`, "aria-hidden": "true"}, GLYPH[tone]);
}

// Words of the daemon, which are English whatever the page's language is.
export function told(text) {
  return text ? h("span", {lang: "en"}, text) : "";
}

export function time(text) {
  return h("time", {datetime: text, title: text}, when(text));
}

export function hasAgents(service) {
  return service.sites.some((site) => site.agent !== "none");
}

// {tone, text, more}: who takes writes, and by whose word.
export function power(service) {
  if (!hasAgents(service)) {
    return service.published
      ? {tone: "good", text: t("power.serves", service.published), more: t("power.no_agents")}
      : {tone: "bad", text: t("power.serves_none"), more: t("power.no_agents")};
  }
  const writable = service.sites.filter((site) => site.writable === true);
  if (writable.length > 1) return {tone: "bad", text: t("power.both"), more: t("power.both_what")};
  if (writable.length === 0) return {tone: "bad", text: t("power.none"), more: ""};
  const [site] = writable;
  const text = t(site.verdict === "down" ? "power.down" : "power.writable", site.name);
  if (service.vouched_by.length === 0) {
    return {tone: "doubt", text, more: t("power.unvouched", span(site.lease_s))};
  }
  const lease = site.lone ? "power.lone" : "power.vouched";
  return {tone: site.verdict === "down" ? "doubt" : "good", text,
          more: t(lease, listed(service.vouched_by), span(site.lease_s))};
}

// Where users are sent, and whether every authoritative server says so.
export function users(service) {
  if (service.record.length === 0) {
    return {tone: "dim", text: t("users.norecord"), more: ""};
  }
  const servers = service.record.flatMap((record) => record.servers);
  const agree = servers.filter((server) => server.agrees).length;
  const down = service.sites.some((site) => site.name === service.published &&
                                            site.verdict === "down");
  const text = !service.published ? t("users.nowhere")
    : t(down ? "users.down" : "users.at", service.published);
  const more = servers.length ? t("users.agree", agree, servers.length) : t("users.unasked");
  const well = service.published && service.published === service.primary;
  const tone = !service.published || down ? "bad"
    : well && servers.length && agree === servers.length ? "good" : "doubt";
  return {tone, text, more};
}

// Whether a failover would begin by itself, were the site in power found down now.
export function readiness(service) {
  const {ready, to, gate, reason} = service.ready;
  if (service.current_move) {
    const move = service.current_move;
    return {tone: "doubt", text: t("ready.moving"),
            more: `${word("movekind", move.kind)} ${t("move.to", move.to)} · ` +
                  `${word("phasename", service.phase)} · ${t("move.elapsed", span(move.took_s))}`};
  }
  if (ready) return {tone: "good", text: t("ready.yes", to), more: t("ready.yes_what")};
  const why = gate ? t("ready.gate", word("gatename", gate), reason) : reason;
  return {tone: "doubt", text: t("ready.no"), more: why};
}

export function worst(service) {
  const tones = [power(service), users(service), readiness(service)].map((each) => each.tone);
  return ["bad", "doubt"].find((tone) => tones.includes(tone)) ?? "good";
}

function glanceLine(label, {tone, text, more}) {
  return h("div", {class: `line ${tone}`},
           h("dt", {}, label),
           h("dd", {}, h("strong", {}, mark(tone), " ", text),
             more && h("span", {class: "more"}, more)));
}

function chips(service) {
  const tone = service.phase === "steady" ? "good"
    : ["stuck", "unadopted"].includes(service.phase) ? "bad" : "doubt";
  return h("p", {class: "chips"},
           h("span", {class: `chip ${tone}`}, word("phasename", service.phase)),
           service.held && h("span", {class: "chip doubt"}, t("held")),
           h("span", {class: "chip"}, t("epoch", service.epoch)),
           service.mode !== "auto" && h("span", {class: "chip doubt"}, t("mode", service.mode)));
}

function glance(service, wasAgo) {
  return h("section", {class: `card glance ${wasAgo ? "was" : worst(service)}`,
                       "aria-labelledby": "service-name"},
           h("div", {class: "row"},
             h("h2", {id: "service-name"}, service.name), chips(service)),
           wasAgo && h("p", {class: "ago"}, t("stale.was", wasAgo)),
           h("dl", {class: "lines"},
             glanceLine(t("glance.writes"), power(service)),
             glanceLine(t("glance.users"), users(service)),
             glanceLine(t("glance.ready"), readiness(service))),
           service.held && h("p", {class: "note"}, t("held.why", service.held_reason)),
           service.phase === "unadopted" && h("p", {class: "note"}, told(service.summary)));
}

// Sites side by side: a row a question, a column a site.

function cell(tone, text) {
  return h("td", {}, tone && tone !== "plain" ? [mark(tone), " "] : "", text);
}

function storesCell(site) {
  const stores = site.replication;
  if (!stores) return cell("", "–");
  if (site.agent === "down") return cell("doubt", t("unknown"));  // What it said last is old.
  if (stores.problem) return cell("bad", told(stores.problem));
  if (stores.errant) return h("td", {}, mark("bad"), " ", t("stores.errant"), ": ",
                              told(stores.errant));
  if (site.role === "standby" && !stores.applier_running) return cell("bad", t("stores.stopped"));
  return cell(stores.well ? "good" : "doubt",
              site.role === "standby" ? t("stores.applies") : t("stores.well"));
}

const SITE_ROWS = [
  ["site.verdict", (site) => cell(VERDICT_TONE[site.verdict] ?? "doubt",
                                  word("verdict", site.verdict))],
  ["site.role", (site) => site.agent === "down"
    ? cell("doubt", t("site.was", word("siterole", site.role)))
    : cell("", word("siterole", site.role))],
  ["site.writable", (site) => site.agent === "none" ? cell("", "–")
    : typeof site.writable !== "boolean" ? cell("doubt", t("unknown"))
      : cell("", site.writable ? h("b", {}, t("yes")) : t("no"))],
  ["site.lease", (site) => cell("", site.lease_s <= 0 ? "–"
    : site.lone ? t("site.lone", span(site.lease_s)) : span(site.lease_s))],
  ["site.lag", (site) => cell("", span(site.lag_s))],
  ["site.agent", (site) => cell({up: "good", down: "bad"}[site.agent] ?? "dim",
                                word("agent", site.agent))],
  ["site.stores", storesCell, (site) => site.replication],
  ["site.vip", (site) => cell("", site.vip ? word("vip", site.vip) : "–"), (site) => site.vip],
  ["site.probe", (site) => h("td", {}, (site.probes.length ? site.probes : [site.probe])
    .map((probe) => h("div", {class: "probe"}, told(probe || "–"))))],
  ["site.trouble", (site) => site.trouble
    ? h("td", {class: "probe"}, mark("doubt"), " ", told(site.trouble))
    : cell("", t("none")), (site) => site.trouble],
  ["site.taken", (site) => cell("", told(site.taken || "–")), (site) => site.taken],
];

function sites(service) {
  const rows = SITE_ROWS.filter(([, , wanted]) => !wanted || service.sites.some(wanted));
  return h("section", {class: "card", "aria-labelledby": "sites-title"},
           h("h3", {id: "sites-title"}, t("sites")),
           h("table", {class: "sites"},
             h("thead", {}, h("tr", {},
               h("td", {}),
               service.sites.map((site) => h("th", {scope: "col"}, site.name)))),
             h("tbody", {}, rows.map(([label, make]) => h("tr", {},
               h("th", {scope: "row"}, t(label)), service.sites.map(make))))));
}

// The record, as each authoritative server answers it.

function serverRow(server) {
  const says = !server.answered ? [t("record.silent"), server.problem && ": ",
                                   told(server.problem)]
    : server.values.length ? server.values.join(", ") : t("record.empty");
  const tone = server.agrees ? "good" : server.answered ? "bad" : "doubt";
  return h("tr", {},
           h("th", {scope: "row"}, server.server),
           h("td", {}, says),
           h("td", {class: "number"}, server.answered ? span(server.ttl) : "–"),
           h("td", {}, mark(tone), " ", server.agrees ? t("yes") : t("no")));
}

function recordBlock(record) {
  const values = record.values.length ? record.values.join(", ") : t("record.empty");
  return [
    h("h4", {}, h("code", {}, `${record.name} ${record.type}`)),
    h("p", {class: "more"}, record.readable
      ? t("record.holds", values, span(record.age_s))
      : [mark("doubt"), " ", t("record.unread", record.problem)]),
    record.servers.length > 0 && h("div", {class: "wide", tabindex: "0", role: "region",
                                           "aria-label": `${record.name} ${record.type}`},
      h("table", {},
        h("thead", {}, h("tr", {},
          ["record.server", "record.says", "record.ttl", "record.agrees"]
            .map((label) => h("th", {scope: "col"}, t(label))))),
        h("tbody", {}, record.servers.map(serverRow)))),
    record.servers.length === 0 && h("p", {class: "more"}, mark("doubt"), " ",
                                     t("users.unasked"))];
}

function records(service) {
  return h("section", {class: "card", "aria-labelledby": "record-title"},
           h("h3", {id: "record-title"}, t("record")),
           service.record.length ? service.record.map(recordBlock)
             : h("p", {}, t("record.none")));
}

// Gates: every condition of the failover that would be made by itself.

export function gateItem(gate, byDesign) {
  const tone = gate.open ? "good" : byDesign ? "dim" : "bad";
  return h("li", {class: tone},
           h("span", {class: "name"}, mark(tone), " ", word("gatename", gate.name),
             h("span", {class: "unseen"}, ` ${gate.open ? t("gate.open") : t("gate.shut")}: `)),
           h("span", {class: "why"}, told(gate.reason),
             typeof gate.age_s === "number" &&
               h("span", {class: "age"}, ` · ${t("gate.age", span(gate.age_s))}`),
             byDesign && h("span", {class: "design"}, t("gate.by_design"))));
}

function gates(service) {
  const list = service.explain.gates;
  const open = list.filter((gate) => gate.open).length;
  const up = service.sites.find((site) => site.name === service.primary)?.verdict === "up";
  return h("section", {class: "card", "aria-labelledby": "gates-title"},
           h("div", {class: "row"},
             h("h3", {id: "gates-title"}, t("gates")),
             h("span", {class: "more"}, t("gates.count", open, list.length))),
           h("ul", {class: "gates"},
             list.map((gate) => gateItem(gate, gate.name === "witness" && !gate.open && up))));
}

// Moves.

export function loss(move) {
  const lost = move.lost;
  if (!lost || typeof lost !== "object") return "";
  const why = lost.reason ? [" (", told(lost.reason), ")"] : "";
  if (lost.proved) return h("p", {}, mark("good"), " ", t("lost.none"), why);
  const most = [];
  if (Number.isInteger(lost.transactions)) most.push(t("lost.transactions", lost.transactions));
  if (typeof lost.seconds === "number") most.push(t("lost.span", span(lost.seconds)));
  return h("p", {}, mark("doubt"), " ",
           most.length ? t("lost.most", most.join(" / ")) : t("lost.unknown"), why);
}

function stepItem(step) {
  const runs = typeof step.took_s === "number" && step.state !== "waiting";
  const within = typeof step.budget_s === "number";
  const tone = STEP_TONE[step.state] ?? "dim";
  const took = !runs ? "" : within ? t("move.of", span(step.took_s), span(step.budget_s))
    : span(step.took_s);
  const name = word("step", step.name);
  return h("li", {class: `step ${step.state}`, "data-key": step.name},
           h("span", {class: "name"}, mark(tone), " ", name),
           h("span", {class: "state"}, word("stepstate", step.state)),
           h("span", {class: "took"}, took),
           within && step.state === "running" && h("progress", {
             "aria-label": `${name}: ${took}`, max: step.budget_s,
             value: Math.min(step.took_s, step.budget_s)}),
           h("span", {class: "detail"},
             runs && step.at_s > 0.005 ? `${t("move.at", span(step.at_s))} ` : "",
             told(step.detail)));
}

export function steps(move) {
  return h("ol", {class: "steps", "aria-label": t("move.steps")}, move.steps.map(stepItem));
}

function timeline(move) {
  return h("ol", {class: "timeline"}, (move.timeline ?? []).map((each) => h("li", {},
    h("span", {class: "at"}, `+${span(each.at_s)}`), h("span", {}, told(each.what)))));
}

export function moveTitle(move) {
  const route = move.from && move.kind !== "adopt" && move.from !== move.to
    ? t("move.route", move.from, move.to) : move.to;
  return `${word("movekind", move.kind)}: ${route}`;
}

function moveMeta(move) {
  const tone = OUTCOME_TONE[move.outcome] ?? "dim";
  const running = move.outcome === "running";
  return h("p", {class: "more"},
           h("span", {class: `chip ${tone}`}, word("outcome", move.outcome)), " ",
           t(running ? "move.elapsed" : "move.took", span(move.took_s)), " · ",
           time(move.started), " · ", move.automatic ? t("move.automatic")
             : [t("move.by", ""), told(move.actor)]);
}

function moveCard(move, title, id) {
  return h("section", {class: `card move ${move.outcome}`, "aria-labelledby": id},
           h("h3", {id}, `${title} · ${moveTitle(move)}`),
           moveMeta(move),
           move.reason && h("p", {class: "why"}, told(move.reason)),
           typeof move.budget_left_s === "number" &&
             h("p", {class: "note"}, t("move.undone_in", span(move.budget_left_s))),
           move.kind === "adopt" ? "" : steps(move), loss(move),
           (move.timeline ?? []).length > 0 && h("details", {"data-key": move.id},
             h("summary", {}, t("move.timeline")), timeline(move)));
}

// The orders that would be taken now, for those who may give them.
function orders(service, session, stale) {
  if (session.role !== "operator") {
    return h("section", {class: "card orders", "aria-label": t("orders")},
             h("p", {class: "more"}, t("orders.viewer")));
  }
  const other = service.sites.find((site) => site.name !== service.primary)?.name;
  const armed = service.explain.gates.every(
    (gate) => gate.open || !["hold-down", "ceiling"].includes(gate.name));
  const running = service.current_move;
  const undoable = running && ["failover", "switchover"].includes(running.kind);
  const button = (order, label, kind = "") => h("button", {
    type: "button", class: kind, "data-order": order, "data-key": order, disabled: stale}, label);
  return h("section", {class: "card orders", "aria-label": t("orders")},
           h("div", {class: "buttons"},
             !running && service.primary && other &&
               button("switchover", t("do.switchover", other), "main"),
             undoable && button("cancel", t("do.cancel"), "danger"),
             !running && service.appointment && button("cancel", t("do.cancel_due")),
             service.held ? button("resume", t("do.resume")) : button("pause", t("do.pause")),
             !armed && button("ack", t("do.ack"))),
           stale && h("p", {class: "more"}, t("orders.stale")));
}

function historyItem(move) {
  return h("li", {"data-key": move.id},
           h("details", {},
             h("summary", {},
               h("span", {class: "what"}, mark(OUTCOME_TONE[move.outcome] ?? "dim"), " ",
                 h("b", {}, moveTitle(move)), ` · ${word("outcome", move.outcome)} · `,
                 span(move.took_s)),
               h("span", {class: "more"}, time(move.started), " · ",
                 move.automatic ? t("move.automatic") : [t("move.by", ""), told(move.actor)]),
               move.reason && h("span", {class: "why"}, told(move.reason))),
             steps(move), loss(move), timeline(move)));
}

function decisionItem(entry) {
  return h("li", {"data-key": entry.number},
           h("span", {class: "more"}, time(entry.at), ` · ${entry.rule}`,
             entry.actor && ` · ${entry.actor}`),
           h("span", {class: "why"}, told(entry.reason)));
}

function history(service, kept) {
  const mine = kept.list.filter((each) => (each.move ?? each).service === service.name);
  const moves = mine.filter((each) => each.move).map((each) => each.move);
  const decisions = mine.filter((each) => !each.move);
  return h("section", {class: "card history", "aria-labelledby": "history-title"},
           h("h3", {id: "history-title"}, t("history")),
           kept.problem && h("p", {}, mark("doubt"), " ", t("history.failed", kept.problem)),
           moves.length ? h("ol", {}, moves.map(historyItem))
             : h("p", {class: "more"}, t("history.none")),
           decisions.length > 0 && h("details", {},
             h("summary", {}, t("history.decisions", decisions.length)),
             h("ol", {class: "decisions"}, decisions.map(decisionItem))));
}

// All of one service. `page`: {session, history, wasAgo}; wasAgo is "" while the page is live.
export function serviceView(service, page) {
  const {current_move: now, last_move: last, appointment: due, rejoin: back} = service;
  return h("article", {"data-key": service.name, "aria-labelledby": "service-name"},
           glance(service, page.wasAgo),
           now && moveCard(now, t("move.now"), "move-now"),
           back && back.outcome !== "done" && moveCard(back, t("move.back"), "move-back"),
           orders(service, page.session, page.wasAgo !== ""),
           due && h("p", {class: "note"}, t("due", word("movekind", due.kind), due.to,
                                            when(due.at), due.actor)),
           h("div", {class: "pair"},
             h("div", {class: "stack"}, sites(service), records(service),
               !now && last && moveCard(last, t("move.last"), "move-last")),
             h("div", {class: "stack"}, gates(service), history(service, page.history))));
}
