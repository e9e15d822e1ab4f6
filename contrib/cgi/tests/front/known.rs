//! What nginx (1.22) does otherwise than the specification in front of any application, with reasons.
//!
//! Rules of this room: nothing here is the bridge's doing; a case that begins to hold has to leave the list.

/// Cases and vectors that nginx fails.
pub const NGINX: &[&str] = &[
    // REQ-ENV-01, REQ-ENV-02: nginx refuses methods in lower case and with other characters than letters, `_` and `-`.
    "environ::method-case-kept",
    "environ::method-unknown-passed",
    "vector::method::method-lower-case",
    "vector::method::method-mixed-case",
    "vector::method::method-token-characters",
    "vector::request-line::rl-two-spaces-after-method",
    // REQ-EXCH-09: to nginx a client that stops sending has left; it takes the request back.
    "exchange::fin-after-body",
    "exchange::fin-after-pipelined",
    "exchange::fin-before-body-is-read",
    "exchange::fin-is-no-departure",
    "exchange::fin-of-http10",
    "exchange::fin-while-streaming",
    // REQ-INPUT-04, REQ-INPUT-05: content that breaks off, nginx takes the request back: the application is cancelled, and
    // no read of it fails.
    "input::input-broken-chunk-fails",
    "input::input-broken-size-fails",
    "input::input-cut-between-chunks-fails",
    "input::input-cut-fails",
    "input::input-cut-in-chunk-fails",
    "input::input-cut-in-trailers-fails",
    "input::input-not-ended-after-broken-chunk",
    "input::input-not-ended-after-failure",
    // REQ-HTTP-32: so it does with broken chunks, and refuses them by itself.
    "http::chunk-data-too-long",
    "http::chunk-data-without-crlf",
    "http::chunk-size-empty",
    "http::chunk-size-not-hexadecimal",
    "http::chunk-size-over-64-bits",
    "http::chunk-size-signed",
    // REQ-HTTP-32: nginx takes chunks and trailers that end in LF alone, whose size is followed by more, and any trailer: it
    // drops them.
    "vector::chunked::chunk-data-lf-end",
    "vector::chunked::chunk-data-too-short",
    "vector::chunked::chunk-ext-no-semicolon",
    "vector::chunked::chunk-last-lf",
    "vector::chunked::chunk-size-lf-end",
    "vector::chunked::chunk-size-two-sizes",
    "vector::chunked::trailer-bad-bare-cr",
    "vector::chunked::trailer-bad-empty-name",
    "vector::chunked::trailer-bad-folded",
    "vector::chunked::trailer-bad-no-colon",
    "vector::chunked::trailer-bad-nul",
    "vector::chunked::trailer-bad-request-line",
    "vector::chunked::trailer-bad-space-before-colon",
    // REQ-INPUT-06: nginx tells the length of chunked content that it has read already.
    "input::input-length-unknown",
    // REQ-INPUT-12, REQ-INPUT-18, REQ-INPUT-20: nginx answers `Expect: 100-continue` by itself, and waits for content that
    // it was told of.
    "input::declared-body-over-limit-is-413",
    "input::no-continue-before-error",
    "input::no-continue-before-read",
    "input::no-continue-without-read",
    "input::read-after-commit-fails",
    // REQ-ERR-10: nginx ends a response without a length in an orderly way, whole or not.
    "errors::http10-cut-is-reset",
    "errors::http10-forwarded-cut-is-reset",
    "errors::http10-panic-is-reset",
    // REQ-LIFE-02: the responder listens on a Unix socket, and says so.
    "lifespan::endpoints-told",
    // REQ-ENV-08: nginx decodes the path to find its location, and refuses one that it cannot decode.
    "environ::decoding-fails-on-bad-escape",
    "environ::path-bad-escape-kept",
    "environ::variables-fail-on-bad-escape",
    // REQ-ENV-11, REQ-ENV-23: nginx drops fields with an underscore in their name (`underscores_in_headers`), as it should.
    "environ::all-fields-given",
    "environ::no-variable-with-underscore",
    "vector::field-syntax::field-name-all-token-characters",
    // REQ-ENV-13, REQ-HTTP-12: nginx trims spaces and no tabs, takes control characters, and drops fields whose name is no
    // token in place of refusing them.
    "environ::value-trimmed",
    "http::field-without-colon",
    "http::name-not-ascii",
    "http::name-with-slash",
    "http::too-many-fields",
    "vector::field-syntax::field-name-brace",
    "vector::field-syntax::field-name-comma",
    "vector::field-syntax::field-name-non-ascii",
    "vector::field-syntax::field-name-parenthesis",
    "vector::field-syntax::field-name-quotation-marks",
    "vector::field-syntax::field-name-slash",
    "vector::field-syntax::field-value-cr-at-end",
    "vector::field-syntax::field-value-delete-character",
    "vector::field-syntax::field-value-escape-character",
    "vector::field-syntax::field-value-form-feed-at-end",
    "vector::field-syntax::field-value-only-space",
    "vector::field-syntax::field-value-trimmed",
    // REQ-HTTP-18, REQ-HTTP-21: nginx refuses `OPTIONS *` and `CONNECT` with statuses of its own.
    "environ::path-info-star",
    "http::connect-refused",
    "http::star-options",
    "vector::target::target-connect-asterisk",
    "vector::target::target-get-asterisk",
    "vector::target::target-lower-options-asterisk",
    "vector::target::target-options-asterisk",
    "vector::target::target-options-asterisk-query",
    "vector::target::target-options-two-asterisks",
    // REQ-ENV-15, REQ-HTTP-20: nginx hands the Host field on and not the authority of an absolute target, and drops that of
    // one without a path.
    "environ::authority-of-absolute-form",
    "environ::http-host-is-authority",
    "environ::path-info-begins-with-slash",
    "vector::target::target-absolute-host-differs",
    "vector::target::target-absolute-http10",
    "vector::target::target-absolute-no-path-query",
    // REQ-HTTP-24: nginx trims no tabs around Host, and refuses an empty one.
    "http::host-empty",
    "vector::host::host-white-space",
    // REQ-HTTP-04, REQ-HTTP-05: nginx takes spaces around the parts of a request line, HTTP/0.9, and versions of two digits.
    "http::request-line-trailing-space",
    "http::request-line-two-spaces",
    "http::request-line-without-version",
    "http::version-0-9",
    "http::version-two-digits",
    "vector::request-line::rl-cr-before",
    "vector::request-line::rl-no-version",
    "vector::request-line::rl-space-after-version",
    "vector::request-line::rl-two-spaces-before-version",
    "vector::version::version-two-digit-minor",
    // REQ-HTTP-07: nginx answers 400 to heads that are too large, takes a thousand fields, and tells neither limit.
    "http::head-limit-exists",
    "http::head-too-large",
    // REQ-HTTP-27, REQ-HTTP-29: nginx is lenient with white space in framing fields, and answers codings with 501 or 400 of
    // its own.
    "vector::content-length::cl-white-space",
    "vector::transfer-encoding::te-bad-vertical-tab",
    "vector::transfer-encoding::te-chunked-white-space",
    "vector::transfer-encoding::te-lines-gzip-chunked",
];

/// nginx looks for the end of a connection while it answers, and whichever comes first wins.
pub const UNDECIDED: &[&str] = &[
    "vector::chunked::trailer-content-length",
    "vector::content-length::cl-half-close-after-content",
    "vector::pipelining::pipe-bad-second",
    "vector::pipelining::pipe-half-close",
    "vector::truncated::cut-second-request",
];

/// Cases that fail beside those of nginx where fcgiwrap runs a program.
pub const PROGRAM: &[&str] = &[
    // REQ-ERR-07 to REQ-ERR-09, REQ-ERR-11: CGI has no word for a response that is cut. Without a declared length the end of the program is the
    // end of the response; with one nginx sees that it is short.
    "errors::client-fault-after-commit-is-cut",
    "errors::error-after-commit-is-cut",
    "errors::error-after-empty-commit-is-cut",
    "errors::error-on-thread-is-cut",
    "errors::forwarded-error-is-cut",
    "errors::forwarded-panic-is-cut",
    "errors::no-error-response-after-commit",
    "errors::no-error-response-after-panic",
    "errors::panic-after-commit-is-cut",
    "body::failed-has-no-end",
    "body::flushed-bytes-are-sent",
    "exchange::error-after-finish-is-cut",
    "exchange::foreign-finished-is-cut",
    "exchange::panic-after-finish-is-cut",
    // REQ-INPUT-10, REQ-HTTP-48, REQ-HTTP-49: fcgiwrap hands no answer on before it has passed on all content.
    "input::called-before-body",
    "http::half-read-body-is-no-request",
    "http::unanswered-expectation-closes",
    "http::unanswered-expectation-closes-after-error",
    "http::unread-body-is-no-request",
    "http::unread-chunked-body-is-no-request",
];
