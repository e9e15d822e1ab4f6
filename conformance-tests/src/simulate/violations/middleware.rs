//! Middleware that conforms, and its relatives with one flaw each.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, Method, Response, StatusCode, Uri};
use http_body::{Body, Frame};
use rwgi::{
    Application, Environ, Error, Exchange, Finished, Input, ResponseBody, Result, ServerInfo,
    SharedApplication, StartResponse,
};

use super::{Violation, simulator, violation};

type Future = Pin<Box<dyn std::future::Future<Output = Result<Finished>> + Send>>;

/// Middleware that passes its lifespan on, and calls as it is told to.
struct Between {
    inner: SharedApplication,
    call: fn(SharedApplication, Environ, StartResponse) -> Future,
}

impl Application for Between {
    fn call(
        &self,
        environ: Environ,
        start: StartResponse,
    ) -> impl std::future::Future<Output = Result<Finished>> + Send {
        (self.call)(self.inner.clone(), environ, start)
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

fn flawed(
    scenario: &'static str,
    call: fn(SharedApplication, Environ, StartResponse) -> Future,
) -> Violation {
    violation(scenario, move || simulator().run_middleware(|inner| Between { inner, call }))
}

/// Middleware that changes the request in a way that it should not.
fn flawed_request(scenario: &'static str, change: fn(Environ) -> Environ) -> Violation {
    violation(scenario, move || {
        let report = simulator().run_middleware(|inner| Changing { inner, change });
        // What it puts in another's place, it has not read.
        report.without(&["input-unread"])
    })
}

struct Changing {
    inner: SharedApplication,
    change: fn(Environ) -> Environ,
}

impl Application for Changing {
    async fn call(&self, environ: Environ, start: StartResponse) -> Result<Finished> {
        self.inner.call((self.change)(environ), start).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

/// What middleware does with the frames of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    LosesTrailers,
    HoldsBack,
    TakesAll,
    HidesFailure,
    Keeps,
}

struct Passing {
    inner: ResponseBody,
    flaw: Flaw,
    held: VecDeque<Frame<Bytes>>,
    ended: bool,
}

/// What was kept, for as long as the tests run.
static KEPT: Mutex<Vec<ResponseBody>> = Mutex::new(Vec::new());

impl Drop for Passing {
    fn drop(&mut self) {
        if self.flaw == Flaw::Keeps && !self.ended {
            KEPT.lock().unwrap().push(std::mem::take(&mut self.inner));
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = rwgi::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            let polled = if this.ended {
                Poll::Ready(None)
            } else {
                Pin::new(&mut this.inner).poll_frame(cx)
            };
            this.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
            match (this.flaw, polled) {
                (Flaw::TakesAll, Poll::Ready(Some(Ok(frame)))) => this.held.push_back(frame),
                (Flaw::TakesAll, polled) => {
                    return match this.held.pop_front() {
                        Some(frame) => Poll::Ready(Some(Ok(frame))),
                        None => polled.map_err(Error::into),
                    };
                }
                (Flaw::HoldsBack, polled) => match ready!(polled) {
                    Some(Ok(frame)) => {
                        this.held.push_back(frame);
                        if let Some(frame) = (this.held.len() > 1).then(|| this.held.pop_front()) {
                            return Poll::Ready(frame.map(Ok));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    None => return Poll::Ready(this.held.pop_front().map(Ok)),
                },
                (Flaw::LosesTrailers, Poll::Ready(Some(Ok(frame)))) if frame.is_trailers() => {}
                (Flaw::HidesFailure, Poll::Ready(Some(Err(_)))) => return Poll::Ready(None),
                (_, polled) => return polled.map_err(Error::into),
            }
        }
    }
}

async fn pass(
    inner: SharedApplication,
    environ: Environ,
    start: StartResponse,
    flaw: Flaw,
) -> Result<Finished> {
    let response = Exchange::new(Arc::new(inner), environ).await?;
    start.forward(response.map(|inner| Passing {
        inner,
        flaw,
        held: VecDeque::new(),
        ended: false,
    }))
}

/// The whole content of the responses that two flaws are about; `Err` gives any other back.
async fn whole_content(
    response: Response<ResponseBody>,
    method: &Method,
) -> std::result::Result<(http::response::Parts, ResponseBody), Response<ResponseBody>> {
    if *method == Method::GET && response.headers().contains_key("content-length") {
        Ok(response.into_parts())
    } else {
        Err(response)
    }
}

pub(super) fn all() -> Vec<Violation> {
    vec![
        violation("mid-lifespan", || {
            simulator().run_middleware(|inner| {
                // A closure has no startup and no shutdown to pass on.
                move |environ: Environ, start: StartResponse| {
                    let inner = inner.clone();
                    async move { inner.call(environ, start).await }
                }
            })
        }),
        flawed_request("mid-path", |mut environ| {
            let target = environ.path().replace("//", "/").parse::<Uri>().unwrap();
            environ.set_uri(target);
            environ
        }),
        flawed_request("mid-extensions", |mut environ| {
            *environ.extensions_mut() = Extensions::new();
            environ
        }),
        flawed_request("mid-length", |mut environ| {
            if environ.method() == Method::POST && environ.headers().contains_key("content-length")
            {
                environ.set_input(Input::from("less"));
            }
            environ
        }),
        flawed_request("mid-capabilities", |environ| {
            let (head, input, connection) = environ.into_parts();
            let mut connection = rwgi::Connection::clone(&connection);
            let mut server = ServerInfo::clone(&connection.server);
            server.capabilities.websocket = true;
            connection.server = Arc::new(server);
            Environ::new(head, input, Arc::new(connection))
        }),
        flawed("mid-cancel", |inner, environ, start| {
            Box::pin(pass(inner, environ, start, Flaw::Keeps))
        }),
        flawed("mid-callbacks", |inner, environ, start| {
            Box::pin(async move {
                let method = environ.method().clone();
                let response = Exchange::new(Arc::new(inner), environ).await?;
                match whole_content(response, &method).await {
                    Ok((parts, body)) => {
                        std::mem::forget(body);
                        let kind = parts.headers["content-type"].clone();
                        start.respond(parts.status, [("content-type", kind)], vec![b'x'; 2000])
                    }
                    Err(response) => start.forward(response),
                }
            })
        }),
        flawed("mid-head-length", |inner, environ, start| {
            Box::pin(async move {
                let method = environ.method().clone();
                let response = Exchange::new(Arc::new(inner), environ).await?;
                match whole_content(response, &method).await {
                    Ok((parts, mut body)) => {
                        let mut content = Vec::new();
                        while let Some(frame) =
                            poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
                        {
                            content.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
                        }
                        content.extend_from_slice(b"and a footer");
                        let kind = parts.headers["content-type"].clone();
                        start.respond(parts.status, [("content-type", kind)], content)
                    }
                    Err(response) => start.forward(response),
                }
            })
        }),
        flawed("mid-trailers", |inner, environ, start| {
            Box::pin(pass(inner, environ, start, Flaw::LosesTrailers))
        }),
        flawed("mid-boundaries", |inner, environ, start| {
            Box::pin(pass(inner, environ, start, Flaw::HoldsBack))
        }),
        flawed("mid-backpressure", |inner, environ, start| {
            Box::pin(pass(inner, environ, start, Flaw::TakesAll))
        }),
        flawed("mid-failure", |inner, environ, start| {
            Box::pin(pass(inner, environ, start, Flaw::HidesFailure))
        }),
        flawed("mid-error", |inner, environ, start| {
            Box::pin(async move {
                match Exchange::new(Arc::new(inner), environ).await {
                    Ok(response) => start.forward(response),
                    Err(_) => start.respond(StatusCode::BAD_GATEWAY, (), ""),
                }
            })
        }),
    ]
}

#[test]
fn middleware_that_conforms_is_found_clean() {
    let hook = |inner, environ, mut start: StartResponse| -> Future {
        start.map_head(|head| head.insert("x-frame-options", "DENY"));
        let inner: SharedApplication = inner;
        Box::pin(async move { inner.call(environ, start).await })
    };
    let exchange = |inner, environ, start: StartResponse| -> Future {
        Box::pin(async move { start.forward(Exchange::new(Arc::new(inner), environ).await?) })
    };
    for call in [hook, exchange] {
        let report = simulator().run_middleware(|inner| Between { inner, call });
        assert!(report.findings().is_empty(), "{report}");
        assert!(report.departures() > 10, "{report}");
    }
    let report = simulator().run_middleware(|inner| inner);
    assert!(report.findings().is_empty(), "{report}");
}
