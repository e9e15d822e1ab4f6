//! What each part of the contract costs by itself: time by criterion, and allocations beside it.
//!
//! Rules of this bench: no socket and no runtime; what a case needs is made before the clock starts; the medians of the times and the counts of
//! allocations are written to `benches/results/contract.*`.

use std::env;
use std::fs;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use benches::report::{self, Circumstances, Table};
use benches::routes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, SERVER, VARY};
use http::{HeaderValue, Request, StatusCode, request};
use http_body::Body;
use rwgi::{
    Application, Blocking, BlockingStartResponse, Connection, Environ, Exchange, Finished, Input,
    ResponseHead, Result, SharedApplication, StartResponse,
};
use serde::Serialize;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

async fn hello(_: Environ, start_response: StartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, TEXT)], routes::PLAINTEXT)
}

fn blocking_hello(_: Environ, start_response: BlockingStartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, TEXT)], routes::PLAINTEXT)
}

/// Streams so many chunks.
fn stream(chunks: usize) -> impl Application {
    move |_: Environ, start_response: StartResponse| async move {
        let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, TEXT)])?;
        for _ in 0..chunks {
            body.write(routes::chunk()).await?;
        }
        body.finish()
    }
}

/// Middleware that hands everything on.
struct PassThrough<A>(A);

impl<A: Application> Application for PassThrough<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        self.0.call(environ, start_response).await
    }
}

/// Middleware that adds a field by a hook on the head.
struct Hook<A>(A);

impl<A: Application> Application for Hook<A> {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        start_response.map_head(|head| head.append(VARY, const { HeaderValue::from_static("a") }));
        self.0.call(environ, start_response).await
    }
}

/// Middleware that drives the inner application through an exchange of its own.
struct Inner<A>(Arc<A>);

impl<A: Application> Application for Inner<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let response = Exchange::new(Arc::clone(&self.0), environ).await?;
        start_response.forward(response)
    }
}

/// An application under so many layers of a kind.
macro_rules! layers {
    ($kind:expr, 1, $inner:expr) => {
        $kind($inner)
    };
    ($kind:expr, 5, $inner:expr) => {
        $kind($kind($kind($kind($kind($inner)))))
    };
    ($kind:expr, 10, $inner:expr) => {
        layers!($kind, 5, layers!($kind, 5, $inner))
    };
}

/// A request's head as hyper gives it.
fn head() -> request::Parts {
    let request = Request::builder()
        .uri("/plaintext?query=1")
        .header("host", "localhost")
        .header("user-agent", "rwgi-benches")
        .header("accept", "*/*")
        .body(());
    request.expect("a request of constants").into_parts().0
}

fn environ(connection: &Arc<Connection>) -> Environ {
    Environ::new(head(), Input::empty(), Arc::clone(connection))
}

/// Drives an exchange to the last frame, as a server does.
async fn drive<A: Application>(application: &Arc<A>, environ: Environ) {
    let response = Exchange::new(Arc::clone(application), environ).await;
    let mut body = response.expect("no application here fails").into_body();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        black_box(frame.expect("no application here fails"));
    }
}

/// Polls a future that waits for nobody.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// What one run of a case takes.
#[derive(Serialize)]
struct Cost {
    case: String,
    /// The median; none where criterion was told not to measure.
    nanoseconds: Option<f64>,
    allocations: u64,
    bytes: u64,
}

struct Bench<'a> {
    criterion: &'a mut Criterion,
    costs: Vec<Cost>,
}

impl Bench<'_> {
    fn case<T>(&mut self, name: &str, make: impl Fn() -> T, run: impl Fn(T)) {
        let given = make();
        let counted = allocation_counter::measure(|| run(given));
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_batched(&make, &run, BatchSize::SmallInput)
        });
        self.costs.push(Cost {
            case: name.to_owned(),
            nanoseconds: median(name),
            allocations: counted.count_total,
            bytes: counted.bytes_total,
        });
    }

    fn exchange<A: Application>(&mut self, name: &str, application: A) {
        let application = Arc::new(application);
        let connection = Arc::default();
        self.case(name, || environ(&connection), |environ| now(drive(&application, environ)));
    }
}

fn contract(criterion: &mut Criterion) {
    let mut bench = Bench { criterion, costs: Vec::new() };
    let connection = Arc::<Connection>::default();

    bench.case("environ from a request", head, |head| {
        black_box(Environ::new(head, Input::empty(), Arc::clone(&connection)));
    });
    bench.case(
        "head of 1 field",
        || [(CONTENT_TYPE, TEXT)],
        |fields| {
            black_box(ResponseHead::new(StatusCode::OK, fields))
                .expect("the fields are well-formed");
        },
    );
    let five = || {
        [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (ETAG, "\"0123456789abcdef\""),
            (SERVER, "rwgi"),
            (VARY, "accept-encoding"),
        ]
    };
    bench.case("head of 5 fields, as text", five, |fields| {
        black_box(ResponseHead::new(StatusCode::OK, fields)).expect("the fields are well-formed");
    });

    bench.exchange("dispatch, generic: one piece", hello);
    bench.exchange("dispatch, DynApplication: one piece", SharedApplication::new(hello));
    let blocking = Arc::new(Blocking::new(blocking_hello));
    bench.case(
        "dispatch, blocking on a new thread: one piece",
        || environ(&connection),
        |environ| {
            pollster::block_on(drive(&blocking, environ));
        },
    );
    bench.exchange("stream of 1 chunk", stream(1));
    bench.exchange("stream of 16 chunks", stream(16));

    bench.exchange("1 layer, pass-through", layers!(PassThrough, 1, hello));
    bench.exchange("5 layers, pass-through", layers!(PassThrough, 5, hello));
    bench.exchange("10 layers, pass-through", layers!(PassThrough, 10, hello));
    bench.exchange("1 layer, hook on the head", layers!(Hook, 1, hello));
    bench.exchange("5 layers, hook on the head", layers!(Hook, 5, hello));
    bench.exchange("10 layers, hook on the head", layers!(Hook, 10, hello));
    let inner = |application| Inner(Arc::new(application));
    bench.exchange("1 layer, own exchange", inner(hello));
    let five = Inner(Arc::new(Inner(Arc::new(Inner(Arc::new(Inner(Arc::new(inner(hello)))))))));
    bench.exchange("5 layers, own exchange", five);

    report(&bench.costs);
}

/// The median that criterion has just kept of a case, in nanoseconds.
fn median(name: &str) -> Option<f64> {
    // Beside the folder of this program: target/release/deps/contract-….
    let program = env::current_exe().ok()?;
    let folder = program.ancestors().nth(3)?.join("criterion").join(name.replace(':', "_"));
    let estimates = fs::read(folder.join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_slice(&estimates).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

fn report(costs: &[Cost]) {
    let mut table = Table::new(["case", "nanoseconds", "allocations", "bytes"]);
    for cost in costs {
        table.row([
            cost.case.clone(),
            cost.nanoseconds.map_or(String::new(), |median| format!("{median:.0}")),
            cost.allocations.to_string(),
            cost.bytes.to_string(),
        ]);
    }
    let text = format!(
        "# The parts of the contract\n\nWhat one run of each case takes, in memory and without a server: the median of the times, and the allocations with those \
         that the case needs made before. Taken by `cargo bench -p benches --bench contract`.\n\n{}\n{}.\n",
        table.render(),
        Circumstances::now().line()
    );
    println!("\n{text}");
    if costs.iter().any(|cost| cost.nanoseconds.is_none()) {
        return;
    }
    if let Err(error) = report::write("contract", &costs, &text) {
        eprintln!("the figures could not be written: {error}");
    }
}

criterion_group! {
    name = benches;
    // Half a minute for the whole bench; `--measurement-time` asks for more.
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .without_plots();
    targets = contract
}
criterion_main!(benches);
