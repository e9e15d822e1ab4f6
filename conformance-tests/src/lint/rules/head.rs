//! The fields of a response, whatever its status.
//!
//! Rules of this room: it judges what the application gave, at the commit; a field that is absent is no concern here unless the content
//! asks for it (see `body`).

use http::header::{
    AGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES,
    LAST_MODIFIED, LOCATION, RETRY_AFTER, SERVER, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::grammar;
use crate::lint::Level::{Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::Watch;

pub(crate) static CONTENT_TYPE_SYNTAX: Rule = Rule::application(
    "head-content-type-syntax",
    Must,
    &[],
    "Content-Type is a media type",
    "write `type/subtype`, with parameters after a semicolon",
)
.source("RFC 9110 section 8.3.1");
pub(crate) static SINGLETON: Rule = Rule::application(
    "head-singleton-repeated",
    Must,
    &[],
    "a field that is no list is given once",
    "set it with `insert`, not `append`",
)
.source("RFC 9110 section 5.3");
pub(crate) static DATE_SYNTAX: Rule = Rule::application(
    "head-date-syntax",
    Must,
    &[],
    "Date, Expires and Last-Modified are dates of the fixed form",
    "write `Sun, 06 Nov 1994 08:49:37 GMT`, with the right day of the week",
)
.source("RFC 9110 section 5.6.7");
pub(crate) static RETRY_AFTER_SYNTAX: Rule = Rule::application(
    "head-retry-after-syntax",
    Must,
    &[],
    "Retry-After and Age are seconds, or for Retry-After a date",
    "write a whole number of seconds",
)
.source("RFC 9110 section 10.2.3");
pub(crate) static ETAG_SYNTAX: Rule = Rule::application(
    "head-etag-syntax",
    Must,
    &[],
    "ETag is a quoted string, with W/ before it if it is weak",
    "write the quotes: `\"v1\"`",
)
.source("RFC 9110 section 8.8.3");
pub(crate) static VARY_SYNTAX: Rule = Rule::application(
    "head-vary-syntax",
    Must,
    &[],
    "Vary is a list of field names, or *",
    "write the names of request fields, with commas between",
)
.source("RFC 9110 section 12.5.5");
pub(crate) static COOKIE_SYNTAX: Rule = Rule::application(
    "head-set-cookie-syntax",
    Should,
    &[],
    "Set-Cookie begins with `name=value`, the name being a token",
    "give the cookie a name that is a token",
)
.source("RFC 6265 section 4.1.1");
pub(crate) static COOKIE_REPEATED: Rule = Rule::application(
    "head-set-cookie-repeated",
    Should,
    &[],
    "a response sets each cookie once",
    "decide for one value; which of several a client keeps is not defined",
)
.source("RFC 6265 section 4.1.1");
pub(crate) static COOKIE_INSECURE: Rule = Rule::application(
    "head-set-cookie-insecure",
    Should,
    &[],
    "a cookie with SameSite=None, or with the prefix __Secure- or __Host-, is Secure",
    "add the attribute `Secure`; clients drop the cookie without it",
)
.source("RFC 6265bis sections 4.1.3 and 5.6");

pub(crate) const RULES: &[&Rule] = &[
    &CONTENT_TYPE_SYNTAX,
    &SINGLETON,
    &DATE_SYNTAX,
    &RETRY_AFTER_SYNTAX,
    &ETAG_SYNTAX,
    &VARY_SYNTAX,
    &COOKIE_SYNTAX,
    &COOKIE_REPEATED,
    &COOKIE_INSECURE,
];

static SINGLETONS: [HeaderName; 12] = [
    AGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_RANGE,
    CONTENT_TYPE,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    LOCATION,
    RETRY_AFTER,
    SERVER,
];

/// Judges the fields of the response.
pub(crate) fn check(fields: &HeaderMap, watch: &Watch) {
    if fields.is_empty() {
        return;
    }
    if let Some(name) = SINGLETONS.iter().find(|name| fields.get_all(*name).iter().nth(1).is_some())
    {
        watch.report(&SINGLETON, || {
            let values: Vec<_> = fields.get_all(name).iter().collect();
            format!("`{name}` was given as {values:?}")
        });
    }
    each(fields, &CONTENT_TYPE_SYNTAX, &CONTENT_TYPE, watch, |value| {
        text(value).is_some_and(grammar::is_media_type)
    });
    for name in [&DATE, &LAST_MODIFIED] {
        each(fields, &DATE_SYNTAX, name, watch, |value| text(value).is_some_and(grammar::is_date));
    }
    // `Expires: 0` stands in every second application, and RFC 9111 section 5.3 tells caches how to read it.
    each(fields, &DATE_SYNTAX, &EXPIRES, watch, |value| {
        value == "0" || text(value).is_some_and(grammar::is_date)
    });
    each(fields, &RETRY_AFTER_SYNTAX, &AGE, watch, is_seconds);
    each(fields, &RETRY_AFTER_SYNTAX, &RETRY_AFTER, watch, |value| {
        is_seconds(value) || text(value).is_some_and(grammar::is_date)
    });
    each(fields, &ETAG_SYNTAX, &ETAG, watch, |value| grammar::is_entity_tag(value.as_bytes()));
    each(fields, &VARY_SYNTAX, &VARY, watch, |value| {
        text(value).is_some_and(grammar::is_token_list)
    });
    check_cookies(fields, watch);
}

fn each(
    fields: &HeaderMap,
    rule: &'static Rule,
    name: &HeaderName,
    watch: &Watch,
    holds: impl Fn(&HeaderValue) -> bool,
) {
    if let Some(value) = fields.get_all(name).iter().find(|value| !holds(value)) {
        watch.report(rule, || format!("`{name}` is {value:?}"));
    }
}

fn check_cookies(fields: &HeaderMap, watch: &Watch) {
    if !fields.contains_key(SET_COOKIE) {
        return;
    }
    let mut seen = Vec::new();
    for value in fields.get_all(SET_COOKIE) {
        let Some(cookie) = std::str::from_utf8(value.as_bytes())
            .ok()
            .and_then(|text| Some((text, grammar::cookie_identity(text)?)))
        else {
            watch.report(&COOKIE_SYNTAX, || format!("Set-Cookie is {value:?}"));
            continue;
        };
        let (text, identity) = cookie;
        let mut attributes = text.split(';').skip(1).map(|part| part.trim().to_ascii_lowercase());
        let secure = attributes.clone().any(|attribute| attribute == "secure");
        let asks = identity.0.starts_with("__Secure-")
            || identity.0.starts_with("__Host-")
            || attributes.any(|attribute| attribute.replace(' ', "") == "samesite=none");
        if asks && !secure {
            watch.report(&COOKIE_INSECURE, || format!("the cookie `{}` is not Secure", identity.0));
        }
        if seen.contains(&identity) {
            watch.report(&COOKIE_REPEATED, || format!("the cookie `{}` is set twice", identity.0));
        }
        seen.push(identity);
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

fn is_seconds(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}
