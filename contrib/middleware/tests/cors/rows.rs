//! Every behaviour of django-cors-headers, a row each.
//!
//! Rules of this room: a row says one thing; where we do otherwise than the original, the row says why.

use serde_json::json;

use crate::row::{ORIGIN, Row, Signal, row};

const EVIL: &str = "https://example.com.evil.org";

pub(crate) fn rows() -> Vec<Row> {
    [
        origins(),
        specials(),
        patterns(),
        everyone(),
        paths(),
        preflights(),
        fields(),
        signals(),
        answers(),
    ]
    .concat()
}

fn origins() -> Vec<Row> {
    let listed = |name: &'static str| row(name).listed();
    vec![
        row("nothing is set and nobody asks"),
        row("nothing is set and an origin asks").from(ORIGIN),
        listed("no origin, and the answer varies all the same"),
        listed("the listed origin").from(ORIGIN).allows(ORIGIN),
        listed("another origin").from("https://other.org"),
        listed("an origin that begins with the listed one").from(EVIL),
        listed("an origin that ends with the listed one").from("https://evilexample.com"),
        listed("a subdomain").from("https://www.example.com"),
        listed("the listed host as the user of another").from("https://example.com@evil.org"),
        listed("another scheme").from("http://example.com"),
        listed("another port").from("https://example.com:8443"),
        listed("the default port written out").from("https://example.com:443"),
        listed("the host in capitals").from("https://EXAMPLE.com"),
        listed("the scheme in capitals").from("HTTPS://example.com").allows("HTTPS://example.com"),
        listed("a path after the origin")
            .from("https://example.com/x")
            .allows("https://example.com/x"),
        listed("an empty origin").from(""),
        listed("an origin without a scheme").from("example.com"),
        listed("an origin that is no URL").from("http://[::1"),
        listed("two origins in one field").from("https://example.com, https://evil.org"),
        row("the second of several")
            .set("CORS_ALLOWED_ORIGINS", json!(["https://a.org", "http://b.org:8080"]))
            .from("http://b.org:8080")
            .allows("http://b.org:8080"),
        row("an address in brackets")
            .set("CORS_ALLOWED_ORIGINS", json!(["http://[::1]:8000"]))
            .from("http://[::1]:8000")
            .allows("http://[::1]:8000"),
        row("the older name of the setting")
            .set("CORS_ORIGIN_WHITELIST", json!([ORIGIN]))
            .from(ORIGIN)
            .allows(ORIGIN),
        row("the newer name wins")
            .set("CORS_ORIGIN_WHITELIST", json!([ORIGIN]))
            .set("CORS_ALLOWED_ORIGINS", json!(["https://a.org"]))
            .from(ORIGIN),
        row("an empty list").set("CORS_ALLOWED_ORIGINS", json!([])).from(ORIGIN),
    ]
}

fn specials() -> Vec<Row> {
    let null = |name: &'static str| row(name).set("CORS_ALLOWED_ORIGINS", json!(["null"]));
    vec![
        row("null where it is not listed").listed().from("null"),
        null("null where it is listed").from("null").allows("null"),
        null("a real origin where only null is listed").from(ORIGIN),
        null("text that is no origin where null is listed").from("anything").differs(
            "the original compares scheme and authority, both of which `null` and this lack, and so allows it",
        ),
        row("file:// where it is not listed").listed().from("file://"),
        row("file:// where it is listed")
            .set("CORS_ALLOWED_ORIGINS", json!(["file://"]))
            .from("file://")
            .allows("file://"),
    ]
}

fn patterns() -> Vec<Row> {
    let pattern = |name: &'static str, pattern: &'static str| {
        row(name).set("CORS_ALLOWED_ORIGIN_REGEXES", json!([pattern]))
    };
    let subdomain = r"^https://\w+\.example\.com$";
    vec![
        pattern("a pattern that matches", subdomain)
            .from("https://a.example.com")
            .allows("https://a.example.com"),
        pattern("a pattern that does not match", subdomain).from("https://a.b.example.com"),
        pattern("a pattern with ends, and more behind", subdomain).from("https://a.example.com.evil.org"),
        pattern("a pattern without ends, and more before", r"https://\w+\.example\.com")
            .from("xhttps://a.example.com"),
        pattern("a pattern without ends, and more behind", r"https://\w+\.example\.com")
            .from("https://a.example.com.evil.org")
            .differs("the original anchors a pattern at its start only, so that anybody's longer host name passes"),
        pattern("a pattern whose end is Python's", r"https://\w+\.example\.com\Z")
            .from("https://a.example.com")
            .allows("https://a.example.com"),
        pattern("a pattern with a choice", r"https://a\.org|https://b\.org")
            .from("https://b.org")
            .allows("https://b.org"),
        pattern("a pattern with a choice, and more behind", r"https://a\.org|https://b\.org")
            .from("https://a.org.evil.org")
            .differs("the original anchors a pattern at its start only, so that anybody's longer host name passes"),
        pattern("a pattern that regards no case", r"(?i)^https://A\.org$")
            .from("https://a.ORG")
            .allows("https://a.ORG"),
        pattern("a pattern and null", ".*").from("null").allows("null"),
        pattern("a pattern and no origin", ".*"),
        pattern("a pattern and what is no URL", ".*").from("http://[::1"),
        row("the second of several patterns")
            .set("CORS_ALLOWED_ORIGIN_REGEXES", json!([r"^https://a$", r"^https://b$"]))
            .from("https://b")
            .allows("https://b"),
        row("a list and a pattern")
            .listed()
            .set("CORS_ALLOWED_ORIGIN_REGEXES", json!([subdomain]))
            .from("https://b.example.com")
            .allows("https://b.example.com"),
        row("the older name of the patterns")
            .set("CORS_ORIGIN_REGEX_WHITELIST", json!([subdomain]))
            .from("https://a.example.com")
            .allows("https://a.example.com"),
        row("the newer name of the patterns wins")
            .set("CORS_ORIGIN_REGEX_WHITELIST", json!([subdomain]))
            .set("CORS_ALLOWED_ORIGIN_REGEXES", json!([]))
            .from("https://a.example.com"),
    ]
}

fn everyone() -> Vec<Row> {
    let all = |name: &'static str| row(name).set("CORS_ALLOW_ALL_ORIGINS", json!(true));
    vec![
        all("everyone").from("https://any.org").allows("*"),
        all("everyone, and nobody asks"),
        all("everyone, and null asks").from("null").allows("*"),
        all("everyone, and what is no URL asks").from("http://[::1"),
        all("everyone, and text without a scheme asks").from("anything").allows("*"),
        all("everyone, with credentials: by name")
            .set("CORS_ALLOW_CREDENTIALS", json!(true))
            .from("https://any.org")
            .allows("https://any.org")
            .gives("access-control-allow-credentials", "true"),
        all("everyone beside a list").listed().from("https://any.org").allows("*"),
        row("everyone by the older name")
            .set("CORS_ORIGIN_ALLOW_ALL", json!(true))
            .from("https://any.org")
            .allows("*"),
        row("everyone by the older name, nobody by the newer")
            .set("CORS_ORIGIN_ALLOW_ALL", json!(true))
            .set("CORS_ALLOW_ALL_ORIGINS", json!(false))
            .from("https://any.org"),
        all("everyone, preflight").from("https://any.org").preflight().allows("*").tells_defaults(),
    ]
}

fn paths() -> Vec<Row> {
    let api = |name: &'static str| row(name).listed().set("CORS_URLS_REGEX", json!("^/api/.*$"));
    vec![
        api("a path that is covered").path("/api/x").from(ORIGIN).allows(ORIGIN),
        api("a path that is not").path("/x").from(ORIGIN).left_alone(),
        api("a path that is not, and nobody asks").path("/x").left_alone(),
        api("a path that only contains the pattern").path("/x/api/").from(ORIGIN).left_alone(),
        api("a preflight of a path that is covered")
            .path("/api/x")
            .from(ORIGIN)
            .preflight()
            .allows(ORIGIN)
            .tells_defaults(),
        api("a preflight of a path that is not reaches the application")
            .path("/x")
            .from(ORIGIN)
            .preflight()
            .left_alone(),
        api("an escaped path is decoded first").path("/%61pi/x").from(ORIGIN).allows(ORIGIN),
        api("the query is no part of the path").path("/x?/api/").from(ORIGIN).left_alone(),
        api("the mount is no part of the path")
            .mounted("/shop")
            .path("/shop/api/x")
            .from(ORIGIN)
            .allows(ORIGIN),
        api("the mount does not match for the path")
            .mounted("/api")
            .path("/api/x")
            .from(ORIGIN)
            .left_alone(),
        row("a pattern without an end")
            .listed()
            .set("CORS_URLS_REGEX", json!("/api/"))
            .path("/api/x")
            .from(ORIGIN)
            .allows(ORIGIN),
        row("the empty path under a mount is a slash")
            .listed()
            .set("CORS_URLS_REGEX", json!("^/$"))
            .mounted("/shop")
            .path("/shop")
            .from(ORIGIN)
            .allows(ORIGIN),
        row("a line feed in a path of any kind").listed().path("/a%0Ab").from(ORIGIN).allows(ORIGIN).differs(
            "the original's default pattern `^.*$` stops at a line feed; without the setting we cover every path",
        ),
    ]
}

fn preflights() -> Vec<Row> {
    let listed = |name: &'static str| row(name).listed().from(ORIGIN);
    let told = |name: &'static str| listed(name).preflight().allows(ORIGIN).tells_defaults();
    vec![
        told("a preflight"),
        row("a preflight of another origin").listed().from(EVIL).preflight(),
        row("a preflight of nobody").listed().preflight(),
        row("a preflight where nothing is set").from(ORIGIN).preflight(),
        listed("the method asked for is empty")
            .method("OPTIONS")
            .field("access-control-request-method", "")
            .preflight()
            .allows(ORIGIN)
            .tells_defaults(),
        told("headers asked for are not read").field("access-control-request-headers", "x-unknown"),
        listed("an ordinary OPTIONS reaches the application")
            .method("OPTIONS")
            .allows(ORIGIN)
            .tells_defaults(),
        row("an ordinary OPTIONS of another origin").listed().from(EVIL).method("OPTIONS"),
        listed("the field of a preflight on a GET")
            .field("access-control-request-method", "PUT")
            .allows(ORIGIN),
        told("methods, one of our own")
            .set("CORS_ALLOW_METHODS", json!(["GET", "VIEW"]))
            .gives("access-control-allow-methods", "GET, VIEW"),
        told("no methods")
            .set("CORS_ALLOW_METHODS", json!([]))
            .gives("access-control-allow-methods", ""),
        told("headers of our own")
            .set("CORS_ALLOW_HEADERS", json!(["Accept", "X-Mine"]))
            .gives("access-control-allow-headers", "Accept, X-Mine"),
        told("no headers")
            .set("CORS_ALLOW_HEADERS", json!([]))
            .gives("access-control-allow-headers", ""),
        told("an age of our own")
            .set("CORS_PREFLIGHT_MAX_AGE", json!(60))
            .gives("access-control-max-age", "60"),
        listed("no age")
            .set("CORS_PREFLIGHT_MAX_AGE", json!(0))
            .preflight()
            .allows(ORIGIN)
            .gives(
                "access-control-allow-headers",
                "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with",
            )
            .gives("access-control-allow-methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT"),
        listed("the method in small letters")
            .method("options")
            .field("access-control-request-method", "PUT")
            .allows(ORIGIN)
            .differs("the original makes every method upper case; methods are case-sensitive (RFC 9110, section 9.1)"),
    ]
}

fn fields() -> Vec<Row> {
    let listed = |name: &'static str| row(name).listed().from(ORIGIN);
    let private = |name: &'static str| listed(name).set("CORS_ALLOW_PRIVATE_NETWORK", json!(true));
    let asks = "access-control-request-private-network";
    let grants = "access-control-allow-private-network";
    vec![
        listed("credentials")
            .set("CORS_ALLOW_CREDENTIALS", json!(true))
            .allows(ORIGIN)
            .gives("access-control-allow-credentials", "true"),
        listed("credentials in a preflight")
            .set("CORS_ALLOW_CREDENTIALS", json!(true))
            .preflight()
            .allows(ORIGIN)
            .gives("access-control-allow-credentials", "true")
            .tells_defaults(),
        row("credentials for another origin")
            .listed()
            .set("CORS_ALLOW_CREDENTIALS", json!(true))
            .from(EVIL),
        listed("one exposed header")
            .set("CORS_EXPOSE_HEADERS", json!(["X-Total"]))
            .allows(ORIGIN)
            .gives("access-control-expose-headers", "X-Total"),
        listed("two exposed headers, in a preflight too")
            .set("CORS_EXPOSE_HEADERS", json!(["X-Total", "X-Page"]))
            .preflight()
            .allows(ORIGIN)
            .gives("access-control-expose-headers", "X-Total, X-Page")
            .tells_defaults(),
        row("exposed headers for another origin")
            .listed()
            .set("CORS_EXPOSE_HEADERS", json!(["X-Total"]))
            .from(EVIL),
        listed("no exposed headers").set("CORS_EXPOSE_HEADERS", json!([])).allows(ORIGIN),
        private("a private network, in a preflight")
            .field(asks, "true")
            .preflight()
            .allows(ORIGIN)
            .tells_defaults()
            .gives(grants, "true"),
        private("a private network, in a GET")
            .field(asks, "true")
            .allows(ORIGIN)
            .gives(grants, "true"),
        private("a private network that is not asked for").allows(ORIGIN),
        private("a private network asked for with false").field(asks, "false").allows(ORIGIN),
        private("a private network asked for in capitals").field(asks, "TRUE").allows(ORIGIN),
        listed("a private network that is not set").field(asks, "true").allows(ORIGIN),
        row("a private network for another origin")
            .listed()
            .set("CORS_ALLOW_PRIVATE_NETWORK", json!(true))
            .from(EVIL)
            .field(asks, "true"),
    ]
}

fn signals() -> Vec<Row> {
    let always = |name: &'static str| row(name).signal(Signal::Always);
    vec![
        always("the callback allows an origin").from("https://any.org").allows("https://any.org"),
        always("the callback allows, and nobody asks"),
        always("the callback cannot make an origin of what is none").from("http://[::1"),
        always("the callback allows a preflight")
            .from("https://any.org")
            .preflight()
            .allows("https://any.org")
            .tells_defaults(),
        always("the callback enables a path")
            .set("CORS_URLS_REGEX", json!("^/api/"))
            .path("/x")
            .from("https://any.org")
            .allows("https://any.org"),
        always("the callback enables a path for nobody")
            .set("CORS_URLS_REGEX", json!("^/api/"))
            .path("/x"),
        row("the callback refuses").signal(Signal::Never).from("https://any.org"),
        row("the callback refuses what is listed")
            .listed()
            .signal(Signal::Never)
            .from(ORIGIN)
            .allows(ORIGIN),
        row("the callback refuses a path that is not covered")
            .listed()
            .signal(Signal::Never)
            .set("CORS_URLS_REGEX", json!("^/api/"))
            .path("/x")
            .from(ORIGIN)
            .left_alone(),
        row("everyone may use the interface")
            .listed()
            .signal(Signal::Api)
            .path("/api/x")
            .from("https://any.org")
            .allows("https://any.org"),
        row("not everyone may use the rest")
            .listed()
            .signal(Signal::Api)
            .path("/x")
            .from("https://any.org"),
    ]
}

fn answers() -> Vec<Row> {
    let listed = |name: &'static str| row(name).listed().from(ORIGIN);
    let own = ("access-control-allow-origin", "https://own.org");
    vec![
        listed("the application varies already")
            .answers(200, "vary", "Cookie")
            .allows(ORIGIN)
            .gives("vary", "Cookie, origin"),
        listed("the application varies by origin")
            .answers(200, "vary", "Cookie, Origin")
            .allows(ORIGIN)
            .gives("vary", "Cookie, Origin"),
        listed("the application varies by everything")
            .answers(200, "vary", "*")
            .allows(ORIGIN)
            .gives("vary", "*"),
        listed("the application's own fields give way").answers(200, own.0, own.1).allows(ORIGIN),
        row("the application's own fields stay where nothing is allowed")
            .from(EVIL)
            .answers(200, own.0, own.1)
            .allows("https://own.org"),
        row("the application's own fields stay where nothing is enabled")
            .set("CORS_URLS_REGEX", json!("^/api/"))
            .from(ORIGIN)
            .answers(200, own.0, own.1)
            .left_alone()
            .allows("https://own.org"),
        listed("a page that is not there").answers(404, "x-a", "b").allows(ORIGIN),
        listed("a redirection").answers(302, "location", "/elsewhere").allows(ORIGIN),
        listed("no content").answers(204, "x-a", "b").allows(ORIGIN),
        listed("a POST").method("POST").allows(ORIGIN),
        listed("a HEAD").method("HEAD").allows(ORIGIN),
        listed("a method of our own").method("VIEW").allows(ORIGIN),
        listed("the application fails").fails().allows(ORIGIN),
        listed("the application fails at a POST").method("POST").fails().allows(ORIGIN),
        row("the application fails for another origin").listed().from(EVIL).fails().left_alone().differs(
            "the error goes on to the server, whose answer is not ours to change; no page may read it, and none is cached",
        ),
    ]
}
