//! The system checks, a row each: settings, and what is found in them.
//!
//! Rules of this room: identifiers and messages are compared word for word with the original's, unless the row says why not.

use rwgi::{Environ, StartResponse};
use rwgi_middleware::Cors;
use serde_json::{Value, json};

use crate::table::settings;

#[derive(Clone, Debug)]
pub(crate) struct Check {
    settings: Vec<(&'static str, Value)>,
    /// The identifiers, in order, without `corsheaders.`.
    ids: &'static [&'static str],
    pub(crate) differs: Option<&'static str>,
}

impl Check {
    pub(crate) fn to_json(&self) -> Value {
        self.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Identifier and message of each problem.
    pub(crate) fn found(&self) -> Value {
        let nobody = |_: Environ, start: StartResponse| async move {
            start.respond(http::StatusCode::OK, (), "")
        };
        match Cors::new(nobody, &settings(&self.settings)) {
            Ok(_) => json!([]),
            Err(problems) => {
                problems.iter().map(|problem| json!([problem.id, problem.message])).collect()
            }
        }
    }

    fn differs(mut self, reason: &'static str) -> Self {
        self.differs = Some(reason);
        self
    }

    fn and(mut self, name: &'static str, value: Value) -> Self {
        self.settings.push((name, value));
        self
    }
}

fn check(name: &'static str, value: Value, ids: &'static [&'static str]) -> Check {
    Check { settings: vec![(name, value)], ids, differs: None }
}

const A_STRING_IS_A_SEQUENCE: &str =
    "to Python a string is a sequence of strings, so the original takes it letter by letter";
const FOUND_AT_REQUESTS: &str = "the original finds it when a request comes, and answers 500";

pub(crate) fn rows() -> Vec<Check> {
    let mut rows = vec![
        Check { settings: Vec::new(), ids: &[], differs: None },
        check("CORS_ALLOW_HEADERS", json!(1), &["E001"]),
        check("CORS_ALLOW_HEADERS", json!([1]), &["E001"]),
        check("CORS_ALLOW_HEADERS", json!("accept"), &["E001"]).differs(A_STRING_IS_A_SEQUENCE),
        check("CORS_ALLOW_HEADERS", json!(["x y"]), &["E001"]).differs(
            "a field name that no request can have; the original sends it to browsers, which then refuse all",
        ),
        check("CORS_ALLOW_METHODS", json!(true), &["E002"]),
        check("CORS_ALLOW_METHODS", json!(["GET", 1]), &["E002"]),
        check("CORS_ALLOW_METHODS", json!(["G\nET"]), &["E002"]).differs(FOUND_AT_REQUESTS),
        check("CORS_ALLOW_METHODS", json!(["VIEW"]), &[]),
        check("CORS_ALLOW_CREDENTIALS", json!("yes"), &["E003"]),
        check("CORS_ALLOW_CREDENTIALS", json!(1), &["E003"]),
        check("CORS_PREFLIGHT_MAX_AGE", json!("10"), &["E004"]),
        check("CORS_PREFLIGHT_MAX_AGE", json!(-1), &["E004"]),
        check("CORS_PREFLIGHT_MAX_AGE", json!(1.5), &["E004"]),
        check("CORS_PREFLIGHT_MAX_AGE", json!(0), &[]),
        check("CORS_PREFLIGHT_MAX_AGE", json!(true), &["E004"])
            .differs("to Python True is the integer 1"),
        check("CORS_ALLOW_ALL_ORIGINS", json!("yes"), &["E005"]),
        check("CORS_ORIGIN_ALLOW_ALL", json!("yes"), &["E005"]),
        check("CORS_ALLOWED_ORIGINS", json!(1), &["E006"]),
        check("CORS_ORIGIN_WHITELIST", json!([1]), &["E006"]),
        check("CORS_ALLOWED_ORIGINS", json!("https://a"), &["E006"]).differs(A_STRING_IS_A_SEQUENCE),
        check("CORS_ALLOWED_ORIGIN_REGEXES", json!(1), &["E007"]),
        check("CORS_ORIGIN_REGEX_WHITELIST", json!([1]), &["E007"]),
        check("CORS_ALLOWED_ORIGIN_REGEXES", json!(["("]), &["E007"]).differs(FOUND_AT_REQUESTS),
        check("CORS_ALLOWED_ORIGIN_REGEXES", json!(["(?=a)"]), &["E007"]).differs(
            "the pattern looks ahead; we match in linear time and so without that, and say so at construction",
        ),
        check("CORS_EXPOSE_HEADERS", json!(1), &["E008"]),
        check("CORS_EXPOSE_HEADERS", json!(["*"]), &[]),
        check("CORS_URLS_REGEX", json!(1), &["E009"]),
        check("CORS_URLS_REGEX", json!("("), &["E009"]).differs(FOUND_AT_REQUESTS),
        check("CORS_MODEL", json!("x.Y"), &["E012"]),
        check("CORS_REPLACE_HTTPS_REFERER", json!(true), &["E013"]),
        check("CORS_ALLOW_PRIVATE_NETWORK", json!("yes"), &["E015"]),
    ];
    for (origin, ids) in [
        ("https://example.com", &[][..]),
        ("https://example.com:8000", &[]),
        ("http://[::1]", &[]),
        ("null", &[]),
        ("file://", &[]),
        ("example.com", &["E013"]),
        ("", &["E013"]),
        ("https://", &["E013"]),
        ("//example.com", &["E013"]),
        ("*", &["E013"]),
        ("https://example.com/", &["E014"]),
        ("https://example.com/path", &["E014"]),
        ("https://example.com?query", &["E014"]),
        ("https://example.com#fragment", &["E014"]),
        ("https://example.com/a?b#c", &["E014", "E014", "E014"]),
    ] {
        rows.push(check("CORS_ALLOWED_ORIGINS", json!([origin]), ids));
        rows.push(check("CORS_ORIGIN_WHITELIST", json!([origin]), ids));
    }
    rows.push(
        check("CORS_ALLOWED_ORIGINS", json!(["http://[::1"]), &["E013"])
            .differs("the original's check itself fails with an exception"),
    );
    rows.push(
        check(
            "CORS_ALLOW_HEADERS",
            json!(1),
            &[
                "E001", "E002", "E003", "E015", "E004", "E005", "E006", "E007", "E008", "E009",
                "E012", "E013",
            ],
        )
        .and("CORS_ALLOW_METHODS", json!(1))
        .and("CORS_ALLOW_CREDENTIALS", json!(1))
        .and("CORS_ALLOW_PRIVATE_NETWORK", json!(1))
        .and("CORS_PREFLIGHT_MAX_AGE", json!("x"))
        .and("CORS_ALLOW_ALL_ORIGINS", json!(1))
        .and("CORS_ALLOWED_ORIGINS", json!(1))
        .and("CORS_ALLOWED_ORIGIN_REGEXES", json!(1))
        .and("CORS_EXPOSE_HEADERS", json!(1))
        .and("CORS_URLS_REGEX", json!(1))
        .and("CORS_MODEL", json!(1))
        .and("CORS_REPLACE_HTTPS_REFERER", json!(1)),
    );
    rows
}

#[test]
fn every_check_finds_what_its_row_says() {
    for row in rows() {
        let found = row.found();
        let ids: Vec<_> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem[0].as_str().unwrap().trim_start_matches("corsheaders."))
            .collect();
        assert_eq!(ids, row.ids, "{row:?}");
    }
}
