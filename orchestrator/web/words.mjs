// The words of the page in the reader's language; numbers, spans and times as people read them.

import {TEXTS} from "/texts.mjs";

const STORED = "pointsman.language";
const LANGUAGES = ["en", "zh"];
const UNITS = {en: [" s", " min", " h", " d"], zh: [" 秒", " 分", " 小时", " 天"]};

function chosen() {
  let kept = null;
  try {
    kept = localStorage.getItem(STORED);
  } catch {
    // A browser that keeps nothing asks the next time again.
  }
  if (LANGUAGES.includes(kept)) return kept;
  return navigator.languages?.some((one) => /^zh\b/i.test(one)) &&
         !/^en\b/i.test(navigator.language) ? "zh" : "en";
}

let language = chosen();
let clock = null;

export function currentLanguage() {
  return language;
}

export function setLanguage(wanted) {
  language = LANGUAGES.includes(wanted) ? wanted : "en";
  clock = null;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // As above.
  }
}

export function applyLanguage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

// The text of `key`, with {0}, {1} filled in.
export function t(key, ...values) {
  const text = TEXTS[key]?.[LANGUAGES.indexOf(language)] ?? key;
  return text.replace(/\{(\d)\}/g, (_, place) => String(values[place] ?? ""));
}

// A word of the API ("up", "catching-up") as this page says it; as it came where it is not known.
export function word(kind, value) {
  const key = `${kind}.${value}`;
  return key in TEXTS ? t(key) : String(value ?? "");
}

export function listed(names) {
  if (names.length < 2) return names.join("");
  const comma = language === "zh" ? "、" : ", ";
  return names.slice(0, -1).join(comma) + t("and") + names.at(-1);
}

// A span of seconds: "0.31 s", "12 s", "3 min 05 s", "24 h".
export function span(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "–";
  const [s, min, hours, days] = UNITS[language];
  if (Number.isInteger(seconds) && seconds > 0 && seconds < 100) return seconds + s;
  if (seconds < 9.995) return seconds.toFixed(seconds < 0.9995 ? 2 : 1) + s;
  if (seconds < 100) return Math.round(seconds) + s;
  const whole = Math.round(seconds);
  if (whole < 3600) {
    const rest = whole % 60;
    return Math.floor(whole / 60) + min + (rest ? " " + String(rest).padStart(2, "0") + s : "");
  }
  const minutes = Math.round(whole / 60);
  if (minutes < 48 * 60) {
    const rest = minutes % 60;
    return Math.floor(minutes / 60) + hours + (rest ? " " + rest + min : "");
  }
  return Math.round(minutes / 1440) + days;
}

// A time of day here, with its zone; and with its date where it is not today.
export function when(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text ?? "");
  const today = at.toDateString() === new Date().toDateString();
  clock ??= {
    short: new Intl.DateTimeFormat(document.documentElement.lang, {
      hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
      timeZoneName: "short"}),
    long: new Intl.DateTimeFormat(document.documentElement.lang, {
      year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
      second: "2-digit", hourCycle: "h23", timeZoneName: "short"})};
  return (today ? clock.short : clock.long).format(at);
}
