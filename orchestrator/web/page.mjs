// The page: who is logged in, what is heard of the daemon, and what is drawn of it.

import {draw, h} from "/draw.mjs";
import {call, Feed, setSecret} from "/feed.mjs";
import {closeDialog, openDialog, redrawDialog, startDialogs} from "/orders.mjs";
import {applyLanguage, currentLanguage, setLanguage, span, t, when, word} from "/words.mjs";
import {mark, readiness, serviceView, worst} from "/views.mjs";

const LOOP_STILL_S = 5;
const HISTORY_EACH_MS = 60_000;
const HISTORY_PAUSE_MS = 2000;
const HISTORY_LIMIT = 40;

const top = document.getElementById("top");
const banners = document.getElementById("banners");
const main = document.getElementById("main");
const said = document.getElementById("said");

const page = {
  session: null,       // {role, csrf}; null: not logged in.
  login: {problem: "", sending: false},
  state: null,         // As the API told it last.
  chosen: "",          // The service that is shown where the address names none.
  history: {list: [], problem: "", at: 0, of: "", service: ""},
  announced: new Map(),
};

const feed = new Feed({
  heard(state) {
    page.state = state;
    announce();
    refreshHistory();
    redraw();
  },
  ended() {
    toLogin(t("login.ended"));
  },
});

// What is not live, as a span of time; "" while it is.
function staleFor() {
  if (page.state && page.state.monitor.age_s > LOOP_STILL_S && !feed.isStale()) {
    return span(page.state.monitor.age_s);
  }
  return feed.isStale() ? span(feed.age() / 1000) : "";
}

function selected() {
  const services = page.state?.services ?? [];
  const named = new URLSearchParams(location.hash.slice(1)).get("service");
  const found = services.find((service) => service.name === named) ??
                services.find((service) => service.name === page.chosen);
  if (found) return found;
  // The worst at first; after that nothing is taken from under a reader's eyes.
  const rank = {bad: 0, doubt: 1, good: 2};
  const [first] = [...services].sort((a, b) => rank[worst(a)] - rank[worst(b)]);
  page.chosen = first?.name ?? "";
  return first;
}

// --- What is drawn.

function topView() {
  const monitor = page.state?.monitor;
  const stale = staleFor() !== "";
  const live = !page.state || stale ? "stale" : feed.isStreaming() ? "live" : "polling";
  return [
    h("h1", {}, h("span", {class: "brand"}, "pointsman"),
      monitor && page.session && h("span", {class: "more"}, ` ${monitor.name}`)),
    page.session && page.state && h("p", {class: `feed ${live}`},
      mark(live === "stale" ? "bad" : "good"), " ", t(`feed.${live}`), " · ",
      h("span", {class: "as-of"}, t("feed.at", when(monitor.at)))),
    h("div", {class: "who"},
      h("button", {type: "button", class: "quiet", "data-do": "language", "data-key": "language",
                   lang: currentLanguage() === "en" ? "zh" : "en"}, t("language.other")),
      page.session && h("span", {class: "more"}, word("role", page.session.role)),
      page.session && h("button", {type: "button", class: "quiet", "data-do": "logout",
                                   "data-key": "logout"}, t("logout")))];
}

function banner(tone, text, more) {
  return h("div", {class: `banner ${tone}`}, h("p", {}, mark(tone), " ", h("b", {}, text)),
           more && h("p", {}, more));
}

function bannerViews() {
  if (!page.session) return [];
  const stale = staleFor();
  const list = [];
  if (stale) {
    const title = feed.isStale() ? "stale.title" : "stale.loop";
    list.push(banner("bad", t(title, stale),
                     page.state && t("stale.what", when(page.state.monitor.at))));
  }
  if (!page.state) return list;
  const {monitor} = page.state;
  if (monitor.dry_run) list.push(banner("doubt", t("monitor.dry")));
  if (monitor.blind) list.push(banner("bad", t("monitor.blind", monitor.blind)));
  if (monitor.state !== "ok") list.push(banner("bad", t("monitor.state", monitor.state)));
  return list;
}

function serviceLinks(services, shown) {
  if (services.length < 2) return "";
  return h("nav", {"aria-label": t("services")},
           h("ul", {class: "services"}, services.map((service) => h("li", {"data-key": service.name},
             h("a", {href: `#${new URLSearchParams({service: service.name})}`,
                     "aria-current": service === shown ? "true" : null},
               mark(worst(service)), ` ${service.name} `,
               h("span", {class: "more"}, word("phasename", service.phase)))))));
}

function mainView() {
  if (!page.session) return loginView();
  if (!page.state) return h("p", {class: "wait", role: "status"}, t("loading"));
  const {services, monitor} = page.state;
  const shown = selected();
  const wasAgo = staleFor();
  return [
    serviceLinks(services, shown),
    shown ? serviceView(shown, {session: page.session, history: page.history, wasAgo})
      : h("p", {}, t("services.none")),
    h("footer", {}, h("p", {class: "more"},
      mark(monitor.restart_harmless ? "good" : "doubt"), " ",
      t(monitor.restart_harmless ? "monitor.harmless" : "monitor.harmful"),
      ` · ${monitor.name} · pointsmand ${monitor.version}`))];
}

function loginView() {
  const {problem, sending} = page.login;
  return h("form", {id: "login", class: "card login", "data-key": "login", novalidate: true},
           h("h2", {}, t("login.title")),
           h("p", {}, t("login.why")),
           // For password keepers: a token belongs to a name.
           h("input", {type: "text", name: "username", autocomplete: "username",
                       value: "pointsman", class: "unseen", tabindex: "-1", "aria-hidden": "true",
                       readonly: true}),
           h("div", {class: "field"},
             h("label", {for: "token"}, t("login.token")),
             h("input", {id: "token", name: "token", type: "password",
                         autocomplete: "current-password", required: true,
                         "aria-describedby": "login-problem"})),
           h("p", {id: "login-problem", class: "problem", role: "alert"},
             problem && [mark("bad"), " ", problem]),
           h("div", {class: "buttons"},
             h("button", {type: "submit", class: "main", disabled: sending}, t("login.do"))),
           h("p", {class: "more"}, t("login.where")));
}

function redraw() {
  applyLanguage();
  const stale = page.session !== null && staleFor() !== "";
  if (document.body.classList.contains("stale") !== stale) {
    document.body.classList.toggle("stale", stale);
    if (page.session) said.textContent = t(stale ? "stale.said" : "stale.over");
  }
  draw(top, topView());
  banners.setAttribute("aria-label", t("banners"));
  draw(banners, bannerViews());
  draw(main, mainView());
  const services = page.session ? page.state?.services ?? [] : [];
  const tone = staleFor() ? "bad" : services.map(worst).sort()[0];
  const glyph = {bad: "■ ", doubt: "▲ ", good: "● "}[tone] ?? "";
  document.title = services.length ? `${glyph}${selected().name} · pointsman` : "pointsman";
}

// --- What is said aloud: changes, never what only ticks.

function announce() {
  for (const service of page.state.services) {
    const running = service.current_move?.steps.find((step) => step.state === "running");
    const line = running
      ? t("said.step", service.name, word("step", running.name), word("stepstate", "running"))
      : t("said.phase", service.name, [word("phasename", service.phase),
                                       readiness(service).text].join(", "));
    const before = page.announced.get(service.name);
    page.announced.set(service.name, line);
    if (before !== undefined && before !== line) said.textContent = line;
  }
}

// --- History: asked for when something has changed, and now and then.

async function refreshHistory() {
  const service = selected();
  if (!service) return;
  const of = JSON.stringify([
    service.name, service.phase, service.held, service.epoch, service.current_move?.id,
    service.last_move?.id, service.last_move?.outcome]);
  const now = performance.now();
  const kept = page.history;
  const pause = of === kept.of ? HISTORY_EACH_MS : HISTORY_PAUSE_MS;
  if (service.name === kept.service && now - kept.at < pause) return;
  kept.service = service.name;
  kept.of = of;
  kept.at = now;
  const asked = new URLSearchParams({service: service.name, limit: HISTORY_LIMIT});
  const {status, body, problem} = await call("GET", `/api/v1/history?${asked}`);
  if (page.history !== kept || !page.session) return;
  if (status === 200) kept.list = body.history;
  kept.problem = status === 200 ? "" : problem;
  if (status !== 200) kept.of = "";
  redraw();
}

// --- Who is logged in.

function toLogin(problem) {
  feed.stop();
  closeDialog();
  setSecret(null);
  page.session = null;
  page.state = null;
  page.history = {list: [], problem: "", at: 0, of: "", service: ""};
  page.announced.clear();
  page.login = {problem, sending: false};
  redraw();
  document.getElementById("token")?.focus();
}

function enter(session) {
  page.session = session;
  page.login = {problem: "", sending: false};
  setSecret(session.csrf);
  redraw();
  feed.start();
}

async function logIn(form) {
  if (page.login.sending) return;
  const field = form.elements.namedItem("token");
  page.login = {problem: "", sending: true};
  redraw();
  const {status, body, problem} = await call("POST", "/api/v1/session", {token: field.value.trim()});
  page.login.sending = false;
  if (status === 200) {
    field.value = "";
    enter(body);
    main.focus();
    return;
  }
  page.login.problem = {401: t("login.wrong"), 400: t("login.wrong"), 429: t("login.many"),
                        0: t("login.unreached", problem)}[status] ?? problem;
  redraw();
  field.focus();
  field.select();
}

async function logOut() {
  await call("DELETE", "/api/v1/session");
  toLogin("");
}

async function begin() {
  redraw();
  const {status, body, problem} = await call("GET", "/api/v1/session");
  if (status === 200) enter(body);
  else toLogin(status === 0 ? t("login.unreached", problem) : "");
}

// --- What a person does.

document.addEventListener("click", (event) => {
  const doing = event.target.closest("[data-do]")?.dataset.do;
  if (doing === "language") {
    setLanguage(currentLanguage() === "en" ? "zh" : "en");
    redraw();
    redrawDialog();
  }
  if (doing === "logout") logOut();
  const order = event.target.closest("[data-order]")?.dataset.order;
  if (order && selected()) openDialog(order, selected());
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "login") return;
  event.preventDefault();
  logIn(event.target);
});
addEventListener("hashchange", () => {
  redraw();
  if (page.session && page.state) refreshHistory();
  main.focus();
});

startDialogs((text) => {
  said.textContent = text;
  main.focus();
});
// Ages tick even when nothing is heard: above all then.
setInterval(() => page.session && redraw(), 1000);
begin();
