#!/usr/bin/python3
"""The page in a real Chromium against a live laboratory: page_test.py --bin DIR [PART...]

A viewer and an operator log in; what other pages may try is tried; the service is moved by clicks
and by a real failure of a site, and watched; axe-core looks at each view. Exit 77: no browser here.
"""

import argparse
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import browser as browsers
import page_api
import page_attacks as attack
from browser import DESKTOP, PHONE, Browser
from doors import TOKENS
from lab import Lab, LabError, now

AXE = "axe-core@4.10.3"
# Notes, within the page, which words came to be shown, in their order.
RECORDER = """
  const words = arguments[0], main = document.getElementById("main");
  window.shown = [];
  new MutationObserver(() => {
    const text = main.innerText + (main.querySelector(".move.running progress") ? "BAR" : "");
    for (const word of words) {
      if (text.includes(word) && !window.shown.includes(word)) window.shown.push(word);
    }
  }).observe(main, {subtree: true, childList: true, characterData: true});"""
SITE_A_SERVES = ("site-a is writable", "sent to site-a", "Ready: site-b would take over")


def fetch_axe(folder):
    """The accessibility checker, fetched once a build tree; None, loudly: not to be had."""
    file = folder / f"{AXE}.js"
    if file.exists():
        return file.read_text()
    folder.mkdir(exist_ok=True)
    try:
        done = subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True,
                              text=True, timeout=60, check=True)
        archive = folder / done.stdout.split()[-1]
        with tarfile.open(archive) as packed:
            text = packed.extractfile("package/axe.min.js").read().decode()
        archive.unlink()
        file.write_text(text)
        return text
    except (OSError, subprocess.SubprocessError, KeyError, tarfile.TarError, IndexError) as error:
        print(f"SKIPPED: {AXE} is not to be had, so nothing is known of screen readers: {error}",
              flush=True)
        return None


class Trial:
    def __init__(self, lab, axe, shots):
        self.lab, self.axe, self.shots = lab, axe, shots
        self.wrong, self.browser = [], None

    def must(self, condition, sentence):
        if not condition:
            self.wrong.append(sentence)

    # --- Looking.

    def picture(self, name, **how):
        if self.shots is not None:
            self.browser.picture(self.shots / f"{name}.png", **how)

    def pictures(self, name, **how):
        """On a desk and on a phone, by day and by night."""
        if self.shots is None:
            return
        for device, metrics in (("desktop", DESKTOP), ("phone", PHONE)):
            self.browser.screen(metrics)
            for dark in (False, True):
                self.browser.dark(dark)
                time.sleep(0.15)
                self.picture(f"{name}-{device}{'-dark' if dark else ''}", **how)
        self.browser.screen(DESKTOP)
        self.browser.dark(False)

    def look(self, view):
        """axe-core finds nothing serious here, by day and by night; nothing is cut off a phone."""
        self.browser.screen(PHONE)
        wide = self.browser.run("return document.documentElement.scrollWidth")
        self.must(wide <= PHONE["width"], f"{view}: {wide} pixels wide on a phone")
        self.browser.screen(DESKTOP)
        for dark in (False, True) if self.axe else ():
            self.browser.dark(dark)
            self.browser.run(self.axe)
            found = self.browser.do(lambda driver: driver.execute_async_script(
                "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
                ".then((r) => done(r.violations), (e) => done([{id: String(e), impact: 'serious',"
                " nodes: []}]));"))
            for one in found:
                where = [node["target"] for node in one["nodes"]][:4]
                sentence = f"{view}{' in the dark' if dark else ''}: {one['id']} " \
                           f"({one['impact']}) at {where}"
                if one["impact"] in ("serious", "critical"):
                    self.wrong.append(f"axe: {sentence}")
                else:
                    print(f"  axe, not serious: {sentence}", flush=True)
        self.browser.dark(False)

    # --- Courses.

    def log_in(self, role):
        self.browser.wait_text("#main", "Token")
        self.browser.type("#token", TOKENS[role])
        self.browser.click("#login [type=submit]")
        self.browser.wait_text("#top", role, "Log out")

    def login(self):
        browser = self.browser
        browser.open(attack.PAGE)
        browser.wait_text("#main", "Log in")
        self.must(browser.run("return document.activeElement.id") == "token",
                  "login: the token's field has no focus")
        self.look("login")
        self.pictures("login")
        browser.type("#token", "a-wrong-token-0123456789")
        browser.click("#login [type=submit]")
        browser.wait_text("#login-problem", "no token of this monitor")
        self.picture("login-wrong")

    def viewer(self):
        browser = self.browser
        self.log_in("viewer")
        browser.wait_text("#main", *SITE_A_SERVES, "You look as viewer")
        self.must(browser.count("[data-order]") == 0, "a viewer is offered orders")
        told = browser.ask("POST", attack.PAUSE, {"x-pointsman-csrf": attack.secret_of(browser)},
                           "{}")
        self.must(told["status"] == 403, f"a viewer's session orders: {told}")
        self.picture("viewer")
        browser.click("[data-do=language]")
        browser.wait_text("#main", "site-a 可写", "就绪：site-b 会接管", "您以只读身份查看")
        browser.open(attack.PAGE)
        browser.wait_text("#main", "site-a 可写")  # Remembered, and still logged in.
        self.must(browser.run("return document.documentElement.lang") == "zh-CN", "lang is wrong")
        self.look("Chinese")
        self.pictures("chinese")
        browser.click("[data-do=language]")
        browser.wait_text("#main", "site-a is writable")
        browser.click("[data-do=logout]")
        browser.wait_text("#main", "Token")
        self.must(browser.ask("GET", "/api/v1/services")["status"] == 401,
                  "after the logout the cookie still opens the API")

    def operator(self):
        browser = self.browser
        self.log_in("operator")
        browser.wait_text("#main", *SITE_A_SERVES, "Switch over to site-b")
        browser.wait_text("#top", "live")
        browser.wait_text("#main", "Adoption")  # History came.
        self.look("steady")
        self.pictures("steady")

    def words_of_others(self):
        """Text that looks like markup stays text: in a reason, on the page, in the history."""
        browser, trick = self.browser, "<img src=x onerror=document.title='owned'><b>x</b>"
        browser.click("[data-order=pause]")
        browser.wait_text("#dialog", "Pause im-api")
        browser.type("#reason", trick)
        self.look("pause dialog")
        self.picture("pause", whole=False)
        browser.click("#dialog [type=submit]")
        browser.wait_text("#main", "Paused", trick, "Resume")
        self.must(browser.count("#main img") == 0, "a reason became markup")
        self.must("owned" not in browser.run("return document.title"), "a reason became a script")
        self.picture("paused")
        browser.click("[data-order=resume]")
        browser.wait_text("#dialog", "Resume im-api")
        browser.click("#dialog [type=submit]")
        browser.wait_text("#main", "Ready: site-b would take over")
        self.must("owned" not in browser.run("return document.title"), "the history ran a script")

    def keyboard(self):
        """Without a mouse: to the order, into its dialog, out of it, back where one was."""
        def press(*keys):
            self.browser.do(lambda driver: driver.switch_to.active_element.send_keys(*keys))
        self.browser.run("document.querySelector('[data-order=pause]').focus()")
        press("\ue007")
        self.browser.wait_text("#dialog", "Pause im-api")
        inside = self.browser.run("return dialog.contains(document.activeElement)")
        self.must(inside, "the dialog does not take the focus")
        press("\ue00c")
        time.sleep(0.2)
        self.must(not self.browser.run("return dialog.open"), "Escape does not close the dialog")
        back = self.browser.run("return document.activeElement.dataset.order")
        self.must(back == "pause", f"the focus went to {back} when the dialog closed")

    def attacks(self):
        browser, lab = self.browser, self.lab
        self.wrong += attack.own_origin(browser, attack.secret_of(browser))
        attack.start_evil_server(lab)
        self.wrong += attack.cross_site(browser, lab)
        self.wrong += attack.rebinding(browser)
        browser.open("about:blank")
        time.sleep(4)  # Its streams are gone.

        def without_a_stream():
            browser.open(attack.PAGE)
            browser.wait_text("#top", "asked every 2 s")
            browser.wait_text("#main", *SITE_A_SERVES)
        wrong, note = attack.hundred_tabs(lab, without_a_stream)
        self.wrong += wrong
        print(f"  {note}", flush=True)

    def proxy(self):
        """Behind the manual's nginx with TLS: live, and a cookie that never leaves TLS."""
        browser = self.browser
        attack.start_proxy(self.lab)
        browser.open(f"https://monitor.example:{attack.PROXY_PORT}/")
        self.log_in("operator")
        browser.wait_text("#main", *SITE_A_SERVES)
        browser.wait_text("#top", "● live")
        cookies = browser.do(lambda driver: driver.get_cookies())
        kept = [(one["name"], one["secure"], one["httpOnly"], one["sameSite"]) for one in cookies]
        self.must(kept == [("__Host-pointsman", True, True, "Strict")], f"cookies by TLS: {kept}")
        told = browser.ask("POST", attack.PAUSE,
                           {"x-pointsman-csrf": attack.secret_of(browser)}, '{"no": "member"}')
        self.must(told["status"] == 400, f"an order through the proxy: {told}")
        browser.open(attack.PAGE)

    def stale(self):
        """A daemon that stands still is never shown as live."""
        browser = self.browser
        browser.wait_text("#main", *SITE_A_SERVES)
        self.lab.daemon.send(signal.SIGSTOP)
        try:
            took = browser.wait_text("#banners", "Not live: the monitor has not answered",
                                     within=20)
            browser.wait_text("#main", "Last known", "Nothing can be ordered")
            self.must("not live" in browser.text("#top"), "the top still says live")
            self.must(browser.count("[data-order]:not([disabled])") == 0,
                      "orders are offered on a page that is not live")
            self.look("stale")
            self.pictures("stale")
        finally:
            self.lab.daemon.send(signal.SIGCONT)
        browser.wait_gone("#banners .banner", within=25)
        browser.wait_text("#main", *SITE_A_SERVES, within=25)
        print(f"  a daemon that was stopped was told after {took:.1f} s", flush=True)

    def api(self):
        """In a thread of the monitor's namespace, beside the browser."""
        move = self.lab.status()["last_move"]["id"]

        def judge():
            return page_api.judge_orders(page_api.judge_reads(move))
        self.wrong += [f"OpenAPI: {one}" for one in
                       self.browser.pool.submit(judge).result(timeout=60)]

    def switchover(self):
        """By clicks; a wrong word moves nothing."""
        browser, lab = self.browser, self.lab
        browser.click("[data-order=switchover]")
        browser.wait_text("#dialog", "Switchover of im-api", "none refuses this move",
                          "none: site-b is opened when it holds all", "To confirm", within=20)
        self.look("switchover dialog")
        self.pictures("switchover", whole=False)
        for word in ("", "site-a", "SITE-B", "site-b2"):
            browser.type("#confirm", word)
            browser.click("#dialog [type=submit]")
            browser.wait_text("#dialog-problem", "Nothing was ordered")
        self.picture("switchover-wrong", whole=False)
        time.sleep(0.5)
        self.must(lab.status()["epoch"] == 1, "a wrong word moved the service")
        browser.type("#confirm", "site-b")
        browser.type("#reason", "a test of the page")
        browser.click("#dialog [type=submit]")
        browser.wait_text("#main", "site-b is writable", "Last move · Switchover: site-a to site-b",
                          "Nothing acknowledged is missing", within=30)
        move = lab.status()["last_move"]
        self.must(move["kind"] == "switchover" and move["outcome"] == "done"
                  and "on the page" in move["actor"], f"the switchover: {move}")
        self.pictures("switched")

    def failover(self):
        """The site in power is cut off; the page is not touched and shows each step."""
        browser, lab = self.browser, self.lab
        lab.wait_steady("site-b")
        browser.wait_text("#main", "Ready: site-a would take over", within=30)
        words = ["suspect", "A move is under way", "Under way", "BAR", "promoting"]
        browser.run(RECORDER, words)
        lab.net.cut_site("site-b")
        browser.wait_text("#main", "A move is under way", within=30)
        self.pictures("moving")
        browser.wait_text("#main", "Last move · Failover: site-b to site-a", "sent to site-a",
                          within=30)
        self.must(lab.status()["primary"] == "site-a", "no failover was made")
        shown = browser.run("return window.shown")
        print(f"  of the failover the page showed, in this order: {', '.join(shown)}", flush=True)
        self.must(shown[:1] == ["suspect"] and set(shown) == set(words),
                  f"the page showed {shown}, not each of {words}")
        browser.wait_text(".history", "Failover: site-b to site-a")
        browser.wait_text(".sites", "was primary", "silent")  # Nothing old is shown as live.
        self.must("Ready: " not in browser.text(".glance"), "ready, with the other site cut off")
        self.look("after the failover")
        self.pictures("after")

    def run(self, parts):
        lab = self.lab
        lab.web = {"listen": "127.0.0.1:8780", "hosts": ["127.0.0.1", "monitor.example"]}
        lab.tokens = TOKENS
        lab.start_sites()
        lab.start_pointsman()
        lab.wait_steady()
        lab.wait_ready_to_move()
        self.browser = Browser(lab, "monitor", "page", flags=(
            "--host-resolver-rules=MAP *.example 127.0.0.1", "--ignore-certificate-errors"))
        try:
            self.browser.screen(DESKTOP)
            for name in parts:
                began = now()
                getattr(self, name)()
                print(f"{name}: {now() - began:.1f} s, {len(self.wrong)} wrong so far", flush=True)
            severe = [one for one in self.browser.complaints()
                      if "status of 4" not in one and "ERR_" not in one
                      and not ("/api/v1/events" in one and "status of 503" in one)]
            self.must(not severe, f"the browser complains: {severe}")
        except LabError:
            self.picture("when-it-failed")
            raise
        finally:
            self.browser.close()
        secrets = [*TOKENS.values(), lab.bind.secret]
        text = (lab.monitor.folder / "pointsmand.log").read_text(errors="replace")
        self.must(not any(one in text for one in secrets), "the daemon's log shows a secret")


PARTS = ("login", "viewer", "operator", "words_of_others", "keyboard", "attacks", "proxy", "stale",
         "api", "switchover", "failover")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--shots", help="folder for pictures of every view")
    parser.add_argument("--keep", action="store_true", help="keep logs and say where")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"in this order: {', '.join(PARTS)}")
    options = parser.parse_args()
    if not set(options.parts) <= set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    Lab.keep_all = options.keep
    lacking = browsers.missing() + page_api.missing()
    if lacking:
        print(f"SKIPPED: the page is not looked at: {', '.join(lacking)} not installed", flush=True)
        return 77
    shots = pathlib.Path(options.shots) if options.shots else None
    if shots:
        shutil.rmtree(shots, ignore_errors=True)
        shots.mkdir(parents=True)
    axe = fetch_axe(pathlib.Path(options.bin).resolve().parent / "lab-axe")
    with Lab(options.bin) as lab:
        trial = Trial(lab, axe, shots)
        trial.run(options.parts or PARTS)
        for sentence in trial.wrong:
            print(f"WRONG: {sentence}")
        lab.keep = lab.keep or bool(trial.wrong)
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
