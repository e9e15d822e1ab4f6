//! The ways in which `honest` can be made to break a rule.
//!
//! Rules of this room: a violation breaks one rule and leaves the rest alone; it is what a real server could do wrong, or, where the
//! rule is kept by the gateway library, what a client and an application would see if the library did it wrong.

use http::request;
use serde_json::Value;

use super::http2::Http2Flaw;
use super::tunnel::UpgradeFlaw;
use super::websocket::WebSocketFlaw;

/// A server that breaks one rule.
#[derive(Clone, Copy, Debug)]
pub struct Violation {
    /// What the server does wrong, as a sentence without its subject: "answers a request without Host".
    pub summary: &'static str,
    /// How it is made to.
    pub flaw: Flaw,
}

/// Where the flaw sits.
#[derive(Clone, Copy, Debug)]
pub enum Flaw {
    /// In the server's own code.
    Switch(Switch),
    /// In what it makes of a request head before the application sees it.
    Request(fn(&mut request::Parts)),
    /// In what it knows of the connection.
    Connection(fn(&mut rwgi::Connection)),
    /// In the head of the response, just before it is written.
    Reply(fn(&Asked, &mut Reply)),
    /// In each piece of content, just before it is framed.
    Content(fn(&mut Vec<u8>)),
    /// In what the gateway library shows to the application, or tells it: the application's report and ledger say otherwise.
    Report(fn(&mut Value)),
    /// In what the gateway library does with the application's calls: another script is performed.
    Script(fn(&str) -> String),
}

/// What the client asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path of the target.
    pub path: String,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// Whether the application gave the response, and not the server.
    pub by_application: bool,
}

/// The head of a response on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The field lines.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl Reply {
    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }

    /// Adds a field line.
    pub fn add(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.as_bytes().to_vec()));
    }
}

impl Violation {
    /// A flaw in the server's own code.
    pub const fn switch(summary: &'static str, switch: Switch) -> Self {
        Self { summary, flaw: Flaw::Switch(switch) }
    }

    /// A flaw in what becomes of the request head.
    pub const fn request(summary: &'static str, change: fn(&mut request::Parts)) -> Self {
        Self { summary, flaw: Flaw::Request(change) }
    }

    /// A flaw in what is known of the connection.
    pub const fn connection(summary: &'static str, change: fn(&mut rwgi::Connection)) -> Self {
        Self { summary, flaw: Flaw::Connection(change) }
    }

    /// A flaw in the head of the response.
    pub const fn reply(summary: &'static str, change: fn(&Asked, &mut Reply)) -> Self {
        Self { summary, flaw: Flaw::Reply(change) }
    }

    /// A flaw in the content.
    pub const fn content(summary: &'static str, change: fn(&mut Vec<u8>)) -> Self {
        Self { summary, flaw: Flaw::Content(change) }
    }

    /// A flaw in what the application is shown or told.
    pub const fn report(summary: &'static str, change: fn(&mut Value)) -> Self {
        Self { summary, flaw: Flaw::Report(change) }
    }

    /// A flaw in what becomes of the application's calls.
    pub const fn script(summary: &'static str, change: fn(&str) -> String) -> Self {
        Self { summary, flaw: Flaw::Script(change) }
    }
}

/// The flaws in the server's own code, by the room they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// One of HTTP/2.
    Http2(Http2Flaw),
    /// A flaw in the code for WebSocket.
    WebSocket(WebSocketFlaw),
    /// A flaw in the code that takes connections over.
    Upgrade(UpgradeFlaw),
    // The request head.
    /// Takes a request line without a version for HTTP/0.9.
    NoVersion,
    /// Takes any version for HTTP/1.1.
    AnyVersion,
    /// Takes a version that does not follow the grammar for HTTP/1.1.
    MalformedVersion,
    /// Answers 500 to HTTP/1.2.
    MinorVersionFails,
    /// Splits the request line at any whitespace.
    LooseRequestLine,
    /// Answers 501 to methods that are not in RFC 9110.
    KnownMethodsOnly,
    /// Takes any octets for a method.
    AnyMethod,
    /// Has no limit on the target.
    NoTargetLimit,
    /// Answers a long target with 400.
    TargetLimitIs400,
    /// Has no limit on the head.
    NoHeadLimit,
    /// Has no limit on the number of fields.
    NoFieldLimit,
    /// Allows whitespace between name and colon.
    SpaceBeforeColon,
    /// Joins a continued line to the one before.
    ObsFold,
    /// Takes a bare CR as part of a value.
    BareCr,
    /// Takes a bare CR as the end of a line.
    CrEndsLine,
    /// Allows NUL in a value.
    Nul,
    /// Allows control octets in a value.
    Control,
    /// Allows a name that is no token.
    AnyName,
    /// Skips a line that is no field.
    SkipsBadLine,
    /// Refuses an empty line before the request line.
    NoEmptyLine,
    /// Answers a bare LF with a crash of the connection.
    LfCloses,
    /// Calls the application although the head has not ended.
    HalfHead,
    /// Waits for a head for ever.
    NoHeadTimeout,
    /// Renews the time for a head with each byte.
    HeadTimeoutRenewed,
    /// Says 408 on a connection without a byte of a head.
    IdleIs408,
    /// Refuses a tab in a value.
    RefusesTab,
    /// Refuses bytes from 0x80 in a value.
    NoObsText,
    /// Goes on with the connection after a refused head.
    KeepsAfterRefusal,
    /// Calls the application with what it refuses, and drops its answer.
    CallsRefused,
    // The target.
    /// Refuses absolute-form.
    NoAbsoluteForm,
    /// Takes any target with any method.
    AnyTarget,
    /// Takes `*` for any method.
    StarForAll,
    /// Takes authority-form for any method.
    AuthorityForAll,
    /// Hands CONNECT to the application.
    Connect,
    // Host.
    /// Serves HTTP/1.1 without Host.
    NoHost,
    /// Serves two Host fields, the first one counts.
    TwoHosts,
    /// Serves any value of Host.
    AnyHost,
    /// Asks HTTP/1.0 for Host.
    HostForAll,
    /// Refuses an IPv6 address in Host.
    NoIpv6Host,
    /// Refuses an empty Host.
    NoEmptyHost,
    // The framing of the request.
    /// Takes Transfer-Encoding and ignores Content-Length.
    BothLengths,
    /// Takes an unknown coding for chunked.
    AnyCoding,
    /// Compares the coding's name with its case.
    CodingCase,
    /// Takes chunked from HTTP/1.0.
    ChunkedInTen,
    /// Takes a Content-Length that begins with digits.
    LooseLength,
    /// Refuses leading zeros in a length.
    NoLeadingZeros,
    /// Takes the first of two lengths.
    FirstLength,
    /// Lets a length over 64 bits wrap.
    LengthWraps,
    /// Takes chunk extensions for data.
    NoExtensions,
    /// Takes a chunk size that is not hexadecimal for zero.
    LooseChunkSize,
    /// Does not look at what follows a chunk's data.
    LooseChunkEnd,
    /// Skips what follows a chunk's data up to the end of the line.
    ChunkSkipsLine,
    /// Lets a chunk size over 64 bits wrap.
    ChunkWraps,
    /// Skips a few octets after a body of declared length.
    SkipsAfterBody,
    /// Gives a request without a length a body that goes on to the end.
    BodyToTheEnd,
    // The connection.
    /// Closes after each response.
    ClosesAlways,
    /// Closes after each response without saying so.
    ClosesSilently,
    /// Keeps the connection although the client asked to close.
    KeepsAlways,
    /// Keeps the connection of HTTP/1.0.
    KeepsTen,
    /// Does not say that it closes.
    NoConnectionClose,
    /// Answers what follows the last request.
    AnswersAfterClose,
    /// Answers pipelined requests in the wrong order.
    Reorders,
    /// Answers only the first of pipelined requests.
    DropsPipelined,
    /// Answers Upgrade with 101.
    Upgrades,
    /// Keeps the connection with an unread body on it.
    KeepsUnread,
    /// Keeps the connection with an unanswered expectation.
    KeepsExpectation,
    /// Closes at once while the client is sending.
    NoLinger,
    // The input.
    /// Says 100 before anybody reads.
    EarlyContinue,
    /// Never says 100.
    NoContinue,
    /// Says 100 to HTTP/1.0.
    ContinueInTen,
    /// Says 100 in the middle of a response.
    LateContinue,
    /// Reports a truncated body as complete.
    TruncatedIsEnd,
    /// Waits for the whole body before the application is called.
    WholeBodyFirst,
    /// Gives the chunks in one piece at the end.
    ChunksAtTheEnd,
    /// Drops request trailers.
    NoTrailers,
    /// Merges request trailers into the head.
    MergesTrailers,
    /// Takes a body as fast as it comes, whether anybody reads it or not.
    NoInputLimit,
    // The exchange.
    /// Goes on with the exchange after a reset.
    NoDeparture,
    /// Takes a FIN for a departure.
    FinIsDeparture,
    /// Serves one connection at a time.
    OneAtATime,
    /// Ends the response as soon as the application waits.
    EndsWhenPending,
    /// Drops the application's future as soon as all content was sent.
    DropsEarly,
    /// Does not hear a wake-up from another thread.
    NoForeignWake,
    /// Does not tell a reader on another thread that bytes have come.
    ReadsAtHome,
    /// Calls the application twice.
    CallsTwice,
    // The response.
    /// Sends the whole response when it is complete.
    StoresResponse,
    /// Sends the head before it is committed.
    HeadFirst,
    /// Ends an aborted response as if it were complete.
    CompletesAborted,
    /// Ends an aborted response to HTTP/1.0 in order.
    OrderlyAbort,
    /// Sends an error response after the commit.
    ErrorAfterCommit,
    /// Drops what it took before a failure.
    DropsBeforeAbort,
    /// Sends content in response to HEAD, 204 and 304.
    ContentForAll,
    /// Sends chunked to HTTP/1.0.
    ChunkedToTen,
    /// Sends every response of the application chunked.
    ChunkedAlways,
    /// Delimits by the end of the connection.
    CloseDelimited,
    /// Sends no response trailers.
    NoResponseTrailers,
    /// Sends response trailers after a declared length.
    TrailersAlways,
    /// Sends no informational response.
    NoInformational,
    /// Sends informational responses to HTTP/1.0.
    InformationalToTen,
    /// Sends each flushed chunk twice as an empty one, which ends the body.
    EmptyChunks,
    // Errors.
    /// Answers every failure with 500.
    AllIs500,
    /// Tells the client the error.
    TellsError,
    /// Closes after an error response.
    ClosesAfterError,
    /// Stops the whole server at a panic.
    PanicStopsServer,
    /// Stops the whole server at any failure of the application.
    FailureStopsServer,
    /// Closes without an answer when the application fails.
    SilentFailure,
    // The lifespan.
    /// Calls the application before startup is complete.
    NoStartup,
    /// Accepts connections while startup is under way.
    ServesDuringStartup,
    /// Calls startup twice.
    StartupTwice,
    /// Serves although startup failed.
    IgnoresFailedStartup,
    /// Calls shutdown although startup failed.
    ShutdownAfterFailedStartup,
    /// Never calls shutdown.
    NoShutdown,
    /// Calls shutdown twice.
    ShutdownTwice,
    /// Calls shutdown before the last exchange has ended.
    ShutdownFirst,
    /// Accepts connections after it was told to stop.
    AcceptsWhileStopping,
    /// Cuts exchanges when it is told to stop.
    NoGrace,
    /// Says that all exchanges ended in time, whatever happened.
    AlwaysInTime,
    /// Waits for ever for the last exchange.
    EndlessGrace,
    /// Keeps idle connections when it is told to stop.
    KeepsIdle,
    /// Does not say that it closes when it is told to stop.
    NoCloseWhileStopping,
    /// Tells a wrong address.
    WrongEndpoint,
}
