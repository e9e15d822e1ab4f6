//! What holds of CORS for every request, whatever a client sends.
//!
//! Rules of this room: nothing panics and nothing fails; an origin is named only if it is the very one that asked, and only where it is allowed.

use http::{Method, StatusCode};
use proptest::prelude::*;
use rwgi::{Environ, StartResponse};
use rwgi_middleware::{Client, Cors, Settings};

/// Octets that a field can carry, with a leaning to what looks like an origin.
fn origin() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(https?|HTTPS|file|null|x)(://|:|)[a-z.:@/\\[\\]%*]{0,12}".prop_map(String::into_bytes),
        "https://(a\\.|)example\\.(com|org)(:[0-9]{1,5}|\\.evil\\.org|/|)"
            .prop_map(String::into_bytes),
        proptest::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80..=0xff_u8], 0..40),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<[bool; 5]>(), 0_i64..3).prop_map(|(flags, age)| {
        let mut settings = Settings::new()
            .with("CORS_ALLOW_ALL_ORIGINS", flags[0])
            .with("CORS_ALLOW_CREDENTIALS", flags[1])
            .with("CORS_ALLOW_PRIVATE_NETWORK", flags[2])
            .with("CORS_PREFLIGHT_MAX_AGE", age);
        if flags[3] {
            settings = settings.with("CORS_ALLOWED_ORIGINS", ["https://example.com", "null"]);
        }
        if flags[4] {
            settings = settings
                .with("CORS_ALLOWED_ORIGIN_REGEXES", [r"https://\w+\.example\.com"])
                .with("CORS_URLS_REGEX", "/a");
        }
        settings
    })
}

/// Whether the settings above, other than that all are allowed, allow an origin: said again in plain words.
fn is_allowed(settings: &Settings, origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    let listed = settings.get("CORS_ALLOWED_ORIGINS").is_some();
    let patterns = settings.get("CORS_ALLOWED_ORIGIN_REGEXES").is_some();
    let (scheme, rest) = origin.split_once("://").unwrap_or(("", origin));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_word = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    (listed && origin == "null")
        || (listed && scheme.eq_ignore_ascii_case("https") && authority == "example.com")
        || (patterns
            && origin
                .strip_prefix("https://")
                .and_then(|rest| rest.strip_suffix(".example.com"))
                .is_some_and(is_word))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_origin_is_named_only_where_it_is_allowed(
        settings in settings(),
        origin in origin(),
        method in prop_oneof![Just(Method::GET), Just(Method::OPTIONS), Just(Method::HEAD)],
        asked in proptest::option::of("[A-Z]{0,5}"),
        path in "(/[ab%0-9A-F]{0,4}){1,3}",
    ) {
        let application = |_: Environ, start: StartResponse| async move {
            start.respond(StatusCode::OK, (), "application")
        };
        let client = Client::new(Cors::new(application, &settings).unwrap());
        let origin = http::HeaderValue::from_bytes(&origin).unwrap();
        let mut request =
            client.request(method, &path).with(|environ| environ.header("origin", origin.clone()));
        if let Some(asked) = &asked {
            request = request.header("access-control-request-method", asked);
        }
        let response = pollster::block_on(request.send()).unwrap();
        prop_assert_eq!(response.status(), StatusCode::OK);
        prop_assert!(response.error().is_none());
        let all = settings.get("CORS_ALLOW_ALL_ORIGINS") == Some(&true.into());
        match response.headers().get("access-control-allow-origin") {
            None => {}
            Some(named) if named == "*" && origin != "*" => {
                prop_assert!(all && response.header("access-control-allow-credentials").is_none());
            }
            Some(named) => {
                prop_assert_eq!(named, &origin);
                prop_assert!(all || is_allowed(&settings, origin.as_bytes()));
                prop_assert_eq!(response.header("vary"), Some("origin"));
            }
        }
    }
}
