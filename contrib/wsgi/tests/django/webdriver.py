"""A WebDriver client, as small as these tests need it: a chromedriver that drives a headless Chromium.

Rules of this room: each browser is fresh and ends with its block; chromedriver chooses its port; waits are for events.
"""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request

PATIENCE = 30
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    def __enter__(self):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                break
        self.base = "http://127.0.0.1:%s" % found.group(1)
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        options = {"goog:chromeOptions": {"args": arguments}, "timeouts": {"script": PATIENCE * 1000}}
        self.session = "/session/" + self._call("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        return self

    def __exit__(self, *_):
        try:
            self._call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.driver.stdout.close()

    def _call(self, method, path, content=None):
        data = None if method == "DELETE" else json.dumps(content or {}).encode()
        if method == "GET":
            data = None
        request = urllib.request.Request(
            self.base + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE * 2) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError("%s %s: %s" % (path, content, json.load(error)["value"]["message"])) from None

    def open(self, url):
        self._call("POST", self.session + "/url", {"url": url})

    @property
    def url(self):
        return self._call("GET", self.session + "/url")

    def run(self, script, *arguments):
        return self._call("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def _find(self, selector):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self._call("POST", self.session + "/element", {"using": "css selector", "value": selector})[ELEMENT]
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def click(self, selector):
        self._call("POST", "%s/element/%s/click" % (self.session, self._find(selector)))

    def type(self, selector, text):
        self._call("POST", "%s/element/%s/value" % (self.session, self._find(selector)), {"text": text})

    def clear(self, selector):
        self._call("POST", "%s/element/%s/clear" % (self.session, self._find(selector)))

    def text(self, selector="body"):
        return self._call("GET", "%s/element/%s/text" % (self.session, self._find(selector)))

    def until(self, expression, *arguments):
        """Waits until an expression holds in the page, whatever page that is by then."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                value = self.run("return " + expression, *arguments)
            except AssertionError:
                value = None
            if value:
                return value
            assert time.monotonic() < end, "%s never held; the page: %.500s" % (expression, self.text())
            time.sleep(0.05)
