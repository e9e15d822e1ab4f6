"""The Django site of the examples, as its users use it: with a browser, and by itself on one command.

Rules of this test: one server for all tests, with data of its own; where there is no browser its tests say so and are left out.
"""

import http.client
import http.server
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SITE = os.path.join(HERE, "..", "..", "examples", "django-site")
sys.path.insert(0, HERE)

from webdriver import Browser  # noqa: E402

BROWSER = shutil.which("chromedriver") and shutil.which("chromium")


def setUpModule():
    """Starts the site by its one command, on a port of the system's choice, and a page of another origin."""
    global site, origin, process, reader
    data = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, data, True)
    elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    unittest.addModuleCleanup(elsewhere.server_close)
    unittest.addModuleCleanup(elsewhere.shutdown)
    origin = "http://127.0.0.1:%d" % elsewhere.server_port
    log = open(os.path.join(data, "log"), "w+")
    unittest.addModuleCleanup(log.close)
    process = subprocess.Popen(
        [sys.executable, os.path.join(SITE, "start"), "--bind", "127.0.0.1:0", "--body-bytes", "64MiB"],
        env={**os.environ, "SITE_DATA": data, "SITE_CORS": origin},
        stderr=subprocess.PIPE,
        text=True,
    )
    unittest.addModuleCleanup(end)
    for line in process.stderr:
        log.write(line)
        found = re.search(r"endpoint=(127\.0\.0\.1:\d+)", line)
        if found:
            site = "http://" + found.group(1)
            break
    else:
        log.seek(0)
        raise RuntimeError("the site did not start:\n" + log.read())
    reader = threading.Thread(target=lambda: [log.write(line) for line in process.stderr], daemon=True)
    reader.start()


def end():
    process.terminate()
    code = process.wait(30)
    reader.join(10)
    process.stderr.close()
    assert code == 0, "the server ended with %d" % code


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """An empty page of another origin."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>elsewhere</title><p id=here>here")

    def log_message(self, *_):
        pass


def get(path, **headers):
    request = urllib.request.Request(site + path, headers=headers)
    return urllib.request.urlopen(request, timeout=30)


class Plain(unittest.TestCase):
    """Without a browser."""

    def test_static_files_come_from_the_same_process(self):
        with get("/static/library/style.css") as answer:
            self.assertEqual(answer.headers["Content-Type"].partition(";")[0], "text/css")
            self.assertIn(b".errorlist", answer.read())
        with get("/static/admin/css/base.css") as answer:
            self.assertEqual(answer.status, 200)

    def test_an_upload_of_some_megabytes_arrives(self):
        content = bytes(range(256)) * 20_000
        for chunked in (False, True):
            answer = upload(content, chunked)
            self.assertEqual(answer, {"name": "large.bin", "size": len(content), "sum": sum(content)}, chunked)

    def test_a_websocket_is_for_pages_of_the_site(self):
        # A view under WSGI, and a consumer under ASGI.
        sockets = ["/echo/", "/ws/talk/novels/"]
        for path, (page, status) in itertools.product(sockets, ((site, 101), ("http://elsewhere.example", 403))):
            connection = http.client.HTTPConnection(site[len("http://") :], timeout=30)
            handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Origin": page}
            connection.request("GET", path, headers={**handshake, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
            self.assertEqual(connection.getresponse().status, status)
            connection.close()

    def test_an_export_is_streamed(self):
        with get("/export/") as answer:
            self.assertTrue(answer.read().startswith(b"title,author\n"))


def upload(content, chunked):
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    body = head + content + b"\r\n--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    data = iter([body[:70_000], body[70_000:]]) if chunked else body
    request = urllib.request.Request(site + "/upload/", data=data, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@unittest.skipUnless(BROWSER, "LEFT OUT: no chromium with its driver is installed")
class InTheBrowser(unittest.TestCase):
    """With headless Chromium."""

    def log_in(self, browser, where):
        browser.open(site + where)
        browser.type("#id_username", "admin")
        browser.type("#id_password", "admin")
        browser.click("#send, input[type=submit]")

    def test_the_admin_creates_and_edits_and_the_slug_is_built(self):
        with Browser() as browser:
            self.log_in(browser, "/admin/library/book/add/")
            browser.until("document.querySelector('#id_title')")
            browser.type("#id_title", "Gödel, Escher, Bach")
            # Typed by nobody: the admin's script makes it from the title.
            browser.until("document.querySelector('#id_slug').value.endsWith('bach')")
            browser.type("#id_author", "Hofstadter")
            with tempfile.NamedTemporaryFile(suffix=".txt") as cover:
                cover.write(b"a cover" * 1000)
                cover.flush()
                browser.type("#id_cover", cover.name)
                browser.click("input[name=_save]")
                browser.until("document.querySelector('.messagelist .success')")
            browser.click("#result_list tbody th a")
            browser.until("document.querySelector('#id_pages')")
            browser.clear("#id_author")
            browser.type("#id_author", "Douglas Hofstadter")
            browser.type("#id_pages", "777")
            browser.click("input[name=_save]")
            browser.until("document.querySelector('.messagelist .success')")
            self.assertIn("777", browser.text("#result_list"))
            slug = browser.text("#result_list .field-slug")
            self.assertRegex(slug, "^g.*escher-bach$")
            browser.open("%s/books/%s/" % (site, slug))
            self.assertIn("Douglas Hofstadter, 777 pages", browser.text())
        with get("/books/%s/cover/" % slug) as answer:
            self.assertEqual(answer.read(), b"a cover" * 1000)
            self.assertEqual(answer.headers["Content-Length"], "7000")

    def test_a_model_form_takes_good_input_and_names_the_bad(self):
        with Browser() as browser:
            browser.open(site + "/add/")
            browser.type("#id_title", "Middlemarch")
            browser.type("#id_pages", "-3")
            browser.click("#send")
            browser.until("document.querySelectorAll('.errorlist').length >= 2")
            self.assertIn("This field is required.", browser.text())
            self.assertIn("greater than or equal to 0", browser.text())
            browser.clear("#id_pages")
            browser.type("#id_pages", "880")
            browser.type("#id_author", "George Eliot")
            browser.click("#send")
            browser.until("document.querySelector('.message')")
            self.assertEqual(browser.url, site + "/books/middlemarch/")
            self.assertIn("The book was added.", browser.text())
            browser.open(site + "/add/")
            browser.type("#id_title", "Middlemarch")
            browser.type("#id_author", "George Eliot")
            browser.click("#send")
            browser.until("document.querySelector('.errorlist')")
            self.assertIn("There is a book of this title already.", browser.text())

    def test_a_form_is_validated(self):
        with Browser() as browser:
            browser.open(site + "/ask/")
            browser.type("#id_email", "nobody")
            browser.type("#id_question", "short")
            browser.click("#send")
            browser.until("document.querySelectorAll('.errorlist').length == 2")
            browser.clear("#id_email")
            browser.type("#id_email", "ann@example.com")
            browser.type("#id_question", " no longer so short, but with <tags>")
            browser.click("#send")
            self.assertEqual(browser.text("#question"), "short no longer so short, but with <tags>")

    def test_a_session_lasts(self):
        with Browser() as browser:
            browser.open(site + "/mine/")
            self.assertTrue(browser.url.startswith(site + "/login/?next=/mine/"), browser.url)
            self.log_in(browser, "/login/?next=/mine/")
            browser.until("document.body.textContent.includes('admin was here 1')")
            browser.open(site + "/mine/")
            self.assertIn("admin was here 2 time(s)", browser.text())

    def test_another_origin_reads_what_it_may_and_no_more(self):
        with Browser() as browser:
            browser.open(origin + "/")
            read = "return fetch(arguments[0]).then((a) => a.json()).then((v) => 'books' in v, (e) => 'refused: ' + e.name)"
            self.assertIs(browser.run(read, site + "/api/books/"), True)
            refused = "return fetch(arguments[0]).then((a) => a.text(), (e) => 'refused: ' + e.name)"
            self.assertEqual(browser.run(refused, site + "/"), "refused: TypeError")
            # Another name of the same machine is another origin, and none of those that may.
            browser.open(origin.replace("127.0.0.1", "localhost") + "/")
            self.assertEqual(browser.run(read, site + "/api/books/"), "refused: TypeError")

    def test_a_websocket_is_answered_by_a_view_that_knows_the_user(self):
        with Browser() as browser:
            self.log_in(browser, "/login/?next=/echo/")
            browser.until("document.querySelector('#heard li')")
            self.assertEqual(browser.text("#heard"), "hello admin")
            browser.type("#text", "h\u00e9")
            browser.click("#say")
            browser.until("document.querySelectorAll('#heard li').length == 2")
            self.assertEqual(browser.text("#heard li:last-child"), "h\u00e9")

    def test_a_download_shows_its_progress_over_a_websocket(self):
        with Browser() as browser:
            browser.open(site + "/progress/")
            browser.click("#start")
            browser.until("document.body.dataset.closed == '1000'")
            self.assertEqual(browser.run("return document.body.dataset.seen"), "0,10,20,30,40,50,60,70,80,90,100")
            self.assertEqual(browser.text("#percent"), "a large file: 100 %")

    @unittest.skipUnless(shutil.which("redis-server"), "LEFT OUT: no redis-server is installed")
    def test_who_talks_in_a_room_is_heard_by_all_in_it(self):
        with Browser() as ann, Browser() as bob:
            ann.open(site + "/talk/novels/")
            ann.until("document.querySelector('#heard').textContent.includes('stranger: came in')")
            # A consumer knows the user of the session, as a view does.
            self.log_in(bob, "/login/?next=/talk/novels/")
            bob.until("document.querySelector('#heard')?.textContent.includes('admin: came in')")
            ann.until("document.querySelector('#heard').textContent.includes('admin: came in')")
            ann.type("#text", "h\u00e9llo")
            ann.click("#say")
            bob.until("document.querySelector('#heard').textContent.includes('stranger: h\u00e9llo')")
            # Another page would not do: Chromium keeps the one that is left, with its socket, for the way back.
            bob.run("socket.close()")
            ann.until("document.querySelector('#heard').textContent.includes('admin: left')")

    def test_jsonp_runs_in_a_page_of_another_origin(self):
        with Browser() as browser:
            browser.open(origin + "/")
            script = """return new Promise((resolve) => {
                window.titles = (value) => resolve(Array.isArray(value));
                const script = document.createElement('script');
                script.src = arguments[0];
                script.onerror = () => resolve('the script was refused');
                document.head.append(script);
            })"""
            self.assertIs(browser.run(script, site + "/jsonp/?callback=titles"), True)


if __name__ == "__main__":
    unittest.main()
