"""A real Chromium in the network namespace of a host of the laboratory."""

import base64
import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import time

from hand import enter_namespace
from servers import LabError, now

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
except ImportError:  # missing() says so.
    webdriver = None

LANGUAGE, ZONE = "en-GB", "Europe/Berlin"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESKTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}


def missing():
    """What is not installed of what a browser test needs."""
    found = {"python3-selenium": webdriver is not None, "chromium": shutil.which("chromium"),
             "chromium-driver": shutil.which("chromedriver")}
    return [name for name, there in found.items() if not there]


class Browser:
    """Every call is made by one thread of its own, which lives in the namespace."""

    def __init__(self, lab, host, name, flags=()):
        self.folder = pathlib.Path(lab.folder) / f"browser-{name}"
        self.folder.mkdir()
        self.pool = concurrent.futures.ThreadPoolExecutor(
            1, initializer=enter_namespace, initargs=(lab.net.netns(host),))
        self.driver = None
        self.pool.submit(self._start, flags).result()

    def _start(self, flags):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-proxy-server", "--disable-background-networking", "--no-first-run",
                     "--disable-component-update", "--hide-scrollbars", f"--lang={LANGUAGE}",
                     f"--user-data-dir={self.folder}", *flags):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"intl.accept_languages": LANGUAGE})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(shutil.which("chromedriver"), env=os.environ | {"TZ": ZONE})
        self.driver = webdriver.Chrome(service=service, options=options)
        # Chromium's own start takes its time on a busy host.
        self.driver.set_page_load_timeout(90)
        self.driver.set_script_timeout(30)
        self.driver.get("about:blank")

    def close(self):
        if self.driver is not None:
            with contextlib.suppress(concurrent.futures.TimeoutError):
                self.pool.submit(self.driver.quit).result(timeout=30)
            self.driver.service.process.kill()  # Where it did not end by itself.
            self.driver = None
        self.pool.shutdown(wait=False)

    def do(self, work):
        """`work(driver)` by the browser's thread."""
        return self.pool.submit(work, self.driver).result()

    def open(self, url):
        self.do(lambda driver: driver.get(url))

    def run(self, script, *arguments):
        return self.do(lambda driver: driver.execute_script(script, *arguments))

    def ask(self, method, path, headers=None, body=None):
        """{status, text} of a call that the page itself makes, cookie and all."""
        return self.do(lambda driver: driver.execute_async_script(
            "const [method, path, headers, body, done] = arguments;"
            "fetch(path, {method, headers, body, cache: 'no-store'})"
            ".then(async (a) => done({status: a.status, text: await a.text()}),"
            "      (e) => done({status: 0, text: String(e)}));",
            method, path, headers or {}, body))

    def all(self, selector):
        return self.do(lambda driver: driver.find_elements(By.CSS_SELECTOR, selector))

    def count(self, selector):
        return len(self.all(selector))

    def text(self, selector="body"):
        """What a person can read there; "" while it is not there, or being drawn."""
        def read(driver):
            try:
                return "\n".join(one.text for one in
                                 driver.find_elements(By.CSS_SELECTOR, selector))
            except StaleElementReferenceException:
                return ""
        return self.do(read)

    def click(self, selector):
        self.do(lambda driver: driver.find_element(By.CSS_SELECTOR, selector).click())

    def type(self, selector, text):
        def enter(driver):
            field = driver.find_element(By.CSS_SELECTOR, selector)
            field.clear()
            field.send_keys(text)
        self.do(enter)

    def wait_text(self, selector, *wanted, within=15.0):
        """Until all of `wanted` can be read there; the seconds it took."""
        began, seen = now(), ""
        while now() - began < within:
            seen = self.text(selector)
            if all(one in seen for one in wanted):
                return now() - began
            time.sleep(0.05)
        raise LabError(f"{selector} does not show {wanted} within {within} s; it shows: {seen}")

    def wait_gone(self, selector, within=10.0):
        end = now() + within
        while self.count(selector):
            if now() > end:
                raise LabError(f"{selector} is still there after {within} s")
            time.sleep(0.05)

    def screen(self, metrics):
        self.do(lambda driver: driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                                      metrics))

    def dark(self, on):
        self.do(lambda driver: driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]}))

    def offline(self, on):
        """The browser's network alone, as on a phone in a lift."""
        def cut(driver):
            driver.execute_cdp_cmd("Network.enable", {})
            driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
                "offline": on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
        self.do(cut)

    def picture(self, path, whole=True):
        answer = self.do(lambda driver: driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole}))
        pathlib.Path(path).write_bytes(base64.b64decode(answer["data"]))

    def complaints(self):
        """What the browser's console complains of."""
        return [entry["message"] for entry in self.do(lambda driver: driver.get_log("browser"))
                if entry["level"] in ("SEVERE", "WARNING")]


__all__ = ["Browser", "DESKTOP", "PHONE", "missing"]
