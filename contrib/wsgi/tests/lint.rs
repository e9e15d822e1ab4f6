//! A Python application before the judge: as any other RWGI application, alone, mounted, and with middleware around it.
//!
//! Rules of this test: the judge's requests, and an application that keeps PEP 3333; what is found is the bridge's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use http::StatusCode;
use pyo3::prelude::*;
use rwgi::{Environ, StartResponse, testing};
use rwgi_conformance::lint::Level;
use rwgi_conformance::simulate::Simulator;
use rwgi_middleware::{Compression, RequestIds, UrlMap};
use rwgi_wsgi::{AsgiApplication, WsgiApplication};

const APPLICATION: &std::ffi::CStr = c"
def application(environ, start_response):
    path, method = environ['PATH_INFO'], environ['REQUEST_METHOD']
    if path not in ('', '/', '/stream', '/file'):
        start_response('404 Not Found', [('Content-Type', 'text/plain')])
        return [b'nothing is here']
    if method == 'POST':
        content = environ['wsgi.input'].read()
        start_response('200 OK', [('Content-Type', 'application/octet-stream')])
        return [content]
    if method not in ('GET', 'HEAD'):
        start_response('405 Method Not Allowed', [('Allow', 'GET, HEAD, POST'), ('Content-Type', 'text/plain')])
        return [b'no']
    start_response('200 OK', [('Content-Type', 'text/plain')])
    if path == '/stream':
        return (b'block %d' % number for number in range(50))
    if path == '/file':
        return environ['wsgi.file_wrapper'](open('Cargo.toml', 'rb'))
    return [b'Hello, ', b'World!']
";

fn application() -> WsgiApplication {
    Python::attach(|py| {
        let module =
            PyModule::from_code(py, APPLICATION, c"application.py", c"application").unwrap();
        let callable = module.getattr("application").unwrap().unbind();
        WsgiApplication::builder(callable).threads(2).build(py).unwrap()
    })
}

const ASYNCHRONOUS: &std::ffi::CStr = c"
async def application(scope, receive, send):
    async def answer(body, status=200, headers=()):
        await send({'type': 'http.response.start', 'status': status, 'headers': [(b'content-type', b'text/plain'), *headers]})
        await send({'type': 'http.response.body', 'body': body})

    path, method = scope['path'], scope['method']
    if path not in ('', '/', '/stream'):
        await answer(b'nothing is here', 404)
    elif method == 'POST':
        content, more = b'', True
        while more:
            message = await receive()
            if message['type'] == 'http.disconnect':
                return
            content, more = content + message.get('body', b''), message.get('more_body', False)
        await answer(content)
    elif method not in ('GET', 'HEAD'):
        await answer(b'no', 405, [(b'allow', b'GET, HEAD, POST')])
    elif path == '/stream':
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', b'text/plain')]})
        for number in range(50):
            await send({'type': 'http.response.body', 'body': b'block %d' % number, 'more_body': True})
        await send({'type': 'http.response.body'})
    else:
        await answer(b'Hello, World!')
";

fn asynchronous() -> AsgiApplication {
    Python::attach(|py| {
        let module = PyModule::from_code(py, ASYNCHRONOUS, c"asynchronous.py", c"asynchronous");
        let callable = module.unwrap().getattr("application").unwrap().unbind();
        assert!(rwgi_wsgi::is_asgi(py, &callable).unwrap());
        AsgiApplication::builder(callable).build(py).unwrap()
    })
}

#[track_caller]
fn judge(application: impl rwgi::Application) {
    // The rule that takes the time of a poll judges the machine.
    let simulator = Simulator::new().allow("conduct-blocking");
    let report =
        simulator.path("/").path("/stream").path("/file").path("/nowhere").run(application);
    let broken = report.findings().iter().any(|finding| finding.level != Level::May);
    assert!(report.conforms() && !broken, "\n{report}");
}

#[test]
fn a_python_application_conforms() {
    judge(application());
}

#[test]
fn an_asynchronous_python_application_conforms() {
    judge(asynchronous());
}

#[test]
fn it_is_mounted_beside_rust_and_middleware_goes_around_it() {
    let rust = |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, [("content-type", "text/plain")], "Rust")
    };
    let map = UrlMap::new()
        .mount("/rust", rust)
        .mount("/async", asynchronous())
        .mount("/", application());
    let whole = std::sync::Arc::new(RequestIds::new(Compression::new(map)));
    let get = |path| testing::run(&whole, Environ::builder().uri(path).build().unwrap()).unwrap();
    assert_eq!(get("/rust").text().unwrap(), "Rust");
    for path in ["/", "/async"] {
        // At a mount the path of ASGI is that of the whole request, so that this one knows none of its own.
        let expected = if path == "/" { "Hello, World!" } else { "nothing is here" };
        assert_eq!(get(path).text().unwrap(), expected);
    }
    assert!(get("/").fields().contains_key("x-request-id"));
    judge(whole);
}

#[test]
fn what_it_raises_is_its_own_failure_and_no_threads_end() {
    let application = Python::attach(|py| {
        let source = c"
import sys
def application(environ, start_response):
    sys.exit(3) if environ['PATH_INFO'] == '/exit' else None
    raise {'/interrupt': KeyboardInterrupt, '/stop': GeneratorExit}.get(environ['PATH_INFO'], ValueError)('no')
";
        let module = PyModule::from_code(py, source, c"raises.py", c"raises").unwrap();
        let callable = module.getattr("application").unwrap().unbind();
        WsgiApplication::builder(callable).threads(1).build(py).unwrap()
    });
    for path in ["/exit", "/interrupt", "/stop", "/", "/exit"] {
        let error =
            testing::run(&application, Environ::builder().uri(path).build().unwrap()).unwrap_err();
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}: {error}");
    }
}
