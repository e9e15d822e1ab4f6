"""What PEP 3333 asks of the environ.
"""

from suite import collector, same, unique

CASES = []
case = collector(CASES)


@case("REQUEST_METHOD is the method")
def request_method(client):
    for method in ("GET", "DELETE", "OPTIONS"):
        same(client.environ(method=method)[0]["REQUEST_METHOD"], method)


@case("PATH_INFO is the path")
def path_info(client):
    same(client.environ("/environ/a/b")[0]["PATH_INFO"], "/environ/a/b")


@case("PATH_INFO is percent-decoded")
def path_info_decoded(client):
    same(client.environ("/environ/a%20b%2Fc%3Fd")[0]["PATH_INFO"], "/environ/a b/c?d")


@case("PATH_INFO holds the decoded octets as Latin-1")
def path_info_latin_1(client):
    same(client.environ("/environ/caf%C3%A9")[0]["PATH_INFO"], "/environ/caf\xc3\xa9")


@case("SCRIPT_NAME is empty at the root")
def script_name(client):
    same(client.environ()[0].get("SCRIPT_NAME", ""), "")


@case("QUERY_STRING is what stands behind the first question mark, undecoded")
def query_string(client):
    same(client.environ("/environ?a=%20b+c&d?e")[0]["QUERY_STRING"], "a=%20b+c&d?e")


@case("QUERY_STRING is empty or absent without a question mark")
def query_string_empty(client):
    same(client.environ()[0].get("QUERY_STRING", ""), "")


@case("CONTENT_TYPE is the field, and there is no HTTP_CONTENT_TYPE")
def content_type(client):
    told, _ = client.environ(method="POST", headers=[("Content-Type", "text/x; a=b")], body=b"x")
    same(told["CONTENT_TYPE"], "text/x; a=b")
    assert "HTTP_CONTENT_TYPE" not in told


@case("CONTENT_LENGTH is the field, and there is no HTTP_CONTENT_LENGTH")
def content_length(client):
    told, _ = client.environ(method="POST", body=b"12345")
    same(told["CONTENT_LENGTH"], "5")
    assert "HTTP_CONTENT_LENGTH" not in told


@case("CONTENT_LENGTH is empty, 0 or absent without content")
def content_length_absent(client):
    assert client.environ()[0].get("CONTENT_LENGTH", "") in ("", "0")


@case("SERVER_NAME is a string that is not empty")
def server_name(client):
    assert client.environ()[0]["SERVER_NAME"]


@case("SERVER_PORT is a string of digits")
def server_port(client):
    assert client.environ()[0]["SERVER_PORT"].isdigit()


@case("SERVER_PROTOCOL is the version of the request")
def server_protocol(client):
    same(client.environ()[0]["SERVER_PROTOCOL"], "HTTP/1.1")


@case("SERVER_PROTOCOL is HTTP/1.0 for a request of that version")
def server_protocol_1_0(client):
    same(client.environ(version="1.0")[0]["SERVER_PROTOCOL"], "HTTP/1.0")


@case("a header is HTTP_ and its name in upper case with underscores")
def header(client):
    same(client.environ(headers=[("x-Custom-Name", "value")])[0]["HTTP_X_CUSTOM_NAME"], "value")


@case("an empty header is an empty string")
def header_empty(client):
    same(client.environ(headers=[("X-Empty", "")])[0]["HTTP_X_EMPTY"], "")


@case("white space around a header's value is none of it")
def header_white_space(client):
    same(client.environ(headers=[("X-Space", "  a b \t")])[0]["HTTP_X_SPACE"], "a b")


@case("a header's octets are Latin-1")
def header_latin_1(client):
    same(client.environ(headers=[("X-Latin", "caf\xe9")])[0]["HTTP_X_LATIN"], "caf\xe9")


@case("repeated headers are joined with commas, in their order")
def header_repeated(client):
    told, _ = client.environ(headers=[("X-Twice", "a"), ("X-Other", "o"), ("X-Twice", "b")])
    same(told["HTTP_X_TWICE"].replace(", ", ","), "a,b")


@case("repeated Cookie headers are joined with a semicolon")
def header_cookies(client):
    same(client.environ(headers=[("Cookie", "a=1"), ("Cookie", "b=2")])[0]["HTTP_COOKIE"], "a=1; b=2")


@case("a header Proxy does not become HTTP_PROXY, which is a variable of the process")
def header_proxy(client):
    assert "HTTP_PROXY" not in client.environ(headers=[("Proxy", "http://evil.example")])[0]


@case("a header with an underscore cannot pass for another")
def header_underscore(client):
    with client.connect() as connection:
        connection.send(client.request("/environ", headers=[("X_Forwarded_For", "1.2.3.4"), ("Connection", "close")]))
        response = connection.response()
    assert response.status == 400 or "HTTP_X_FORWARDED_FOR" not in response.json()["strings"], "it did"


@case("HTTP_HOST is the Host")
def host(client):
    same(client.environ()[0]["HTTP_HOST"], "suite.example:81")


@case("a target in absolute form gives path and host")
def absolute_form(client):
    told, _ = client.environ("http://other.example:82/environ/x?y")
    same((told["PATH_INFO"], told["QUERY_STRING"], told["HTTP_HOST"]), ("/environ/x", "y", "other.example:82"))


@case("the URL can be reconstructed as PEP 3333 shows")
def url(client):
    same(client.environ("/environ/a%20b?c=d")[1]["url"], "http://suite.example:81/environ/a%20b?c=d")


@case("REMOTE_ADDR is the client's address")
def remote_addr(client):
    same(client.environ()[0]["REMOTE_ADDR"], "127.0.0.1")


@case("variables of the process do not pass for headers")
def process_variables(client):
    # The suite starts each server with HTTP_X_OF_THE_PROCESS in its environment.
    assert "HTTP_X_OF_THE_PROCESS" not in client.environ()[0]


@case("the environ is a dict itself, and not one of a class of its own")
def environ_is_a_dict(client):
    same(client.environ()[1]["exact"], True)


@case("what an application changes in its environ no other request sees")
def environ_is_fresh(client):
    with client.connect() as connection:
        for _ in range(3):
            connection.send(client.request("/spoil"))
            same(connection.response().json(), "no")


@case("CGI's variables are str itself")
def strings_are_native(client):
    told, types = client.environ(headers=[("X-A", "b")])
    wrong = {name: kind for name, (kind, _) in types["strings"].items() if kind != "str"}
    same(wrong, {})


@case("no character of a variable is beyond U+00FF")
def strings_are_latin_1(client):
    told, _ = client.environ("/environ/%E2%82%AC", headers=[("X-A", "\xff")])
    wrong = {name for name, value in told.items() if any(ord(char) > 255 for char in value)}
    same(wrong, set())


@case("wsgi.version is the tuple (1, 0)")
def wsgi_version(client):
    told = client.environ()[1]
    same((told["version"], told["version_type"]), ([1, 0], "tuple"))


@case("wsgi.url_scheme is http")
def wsgi_url_scheme(client):
    same(client.environ()[0]["wsgi.url_scheme"], "http")


@case("wsgi.multithread is true where two calls run at the same time")
def wsgi_multithread(client):
    key = unique()
    with client.connect() as one, client.connect() as two:
        one.send(client.request("/together?" + key))
        two.send(client.request("/together?" + key))
        both = one.response().json() and two.response().json()
    told = client.environ()[1]
    same((both, told["multithread"]), (True, True))


@case("wsgi.multiprocess is false for one process")
def wsgi_multiprocess(client):
    same(client.environ()[1]["multiprocess"], False)


@case("wsgi.run_once is false")
def wsgi_run_once(client):
    same(client.environ()[1]["run_once"], False)


@case("a context variable of one request is not seen by the next on the same thread")
def context_variables(client):
    with client.connect() as connection:
        for _ in range(20):
            connection.send(client.request("/context"))
            same(connection.response().json(), "fresh")
