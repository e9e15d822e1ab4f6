//! The ways in which `honest` can be made to break a rule of HTTP/2.
//!
//! Rules of this room: as those of the other violations: one rule each.

/// The flaws in the server's own code for HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2Flaw {
    // The connection.
    /// Takes the preface for a request of HTTP/1.
    NoPriorKnowledge,
    /// Ends the connection over a malformed request.
    MalformedCloses,
    /// Announces no limit on streams.
    NoStreamLimit,
    /// Says nothing when it is told to stop.
    NoGoaway,
    /// Cuts all streams when it is told to stop.
    GoawayCuts,
    // The request.
    /// Serves requests without `:method`, `:scheme` or `:path`.
    MissingPseudo,
    /// Serves the last of repeated pseudo-fields.
    RepeatedPseudo,
    /// Serves pseudo-fields after ordinary ones.
    LatePseudo,
    /// Skips pseudo-fields that it does not know.
    UnknownPseudo,
    /// Takes an empty pseudo-field for a missing one that it makes up.
    EmptyPseudo,
    /// Skips connection-specific fields.
    ConnectionFields,
    /// Takes any TE.
    AnyTe,
    /// Refuses TE: trailers.
    NoTe,
    /// Writes field names small.
    UpperCase,
    /// Calls the application with what it refuses, and drops its answer.
    CallsRefused,
    /// Asks for `:authority`, and overlooks Host.
    NeedsAuthority,
    /// Refuses Host beside `:authority`.
    NoHostBeside,
    /// Serves a request that says nowhere whom it is for.
    NoHost,
    /// Serves the first of several Host fields.
    TwoHosts,
    /// Overlooks a Host that differs from `:authority`.
    HostDiffers,
    /// Leaves a cookie in crumbs.
    CookieCrumbs,
    /// Does not compare a body with its Content-Length.
    AnyLength,
    // The response.
    /// Sends content in response to HEAD, 204 and 304.
    ContentForAll,
    /// Drops response trailers.
    NoTrailers,
    /// Sends response trailers without END_STREAM.
    OpenTrailers,
    /// Sends without regard to the windows of streams.
    NoStreamWindow,
    /// Sends without regard to the window of the connection.
    NoConnectionWindow,
    /// Does not apply a changed initial window to streams that are open.
    SettingsForNewStreams,
    /// Reads what the application writes far ahead of the window.
    StoresContent,
    // Extended CONNECT.
    /// Does not announce that it takes extended CONNECT.
    NoConnectProtocol,
    /// Takes `:protocol` with any method.
    ProtocolForAll,
    /// Takes an extended CONNECT without `:scheme` and `:path`.
    PlainProtocol,
    /// Takes any `:protocol` for WebSocket.
    AnyProtocol,
    /// Hides what an extended CONNECT offers.
    HidesProtocol,
    /// Answers extended CONNECT with an ordinary success.
    ConnectSucceeds,
    /// Takes an extended CONNECT with the fields of HTTP/1.
    ConnectionOnConnect,
    /// Takes an extended CONNECT with 204.
    ConnectIs204,
    /// Ends a session that is over by RST_STREAM.
    SessionResets,
    // Failure, departure and neighbours.
    /// Ends an aborted response with END_STREAM.
    AbortEnds,
    /// Aborts with NO_ERROR.
    AbortNoError,
    /// Ends the connection with an aborted response.
    AbortCloses,
    /// Answers a failure before the commit with RST_STREAM.
    AbortsForErrors,
    /// Leaves an aborted response open for ever.
    AbortHangs,
    /// Goes on with the exchange of a stream that was reset.
    NoDeparture,
    /// Cancels all exchanges with the one that was reset.
    ResetCancelsAll,
    /// Serves one stream at a time.
    OneAtATime,
    /// Waits for the whole body before it sends the end of the response.
    WaitsForBody,
    /// Ends the connection over a body that was not read.
    UnreadCloses,
    /// Resets the stream of a body that was not read in place of its response.
    UnreadResets,
}
