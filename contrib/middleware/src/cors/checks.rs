//! The system checks of django-cors-headers, E001 to E015: settings in, a policy or every problem out.
//!
//! Rules of this room: all problems are found in one go; what passes here cannot fail at a request. The identifiers and words are the
//! original's; where it finds a mistake only at a request (a pattern that does not compile, a name that no field can carry),
//! it is found here, under the identifier of the setting.

use http::{HeaderName, HeaderValue, Method};

use super::origin::{self, Allowed};
use super::pattern;
use super::policy::Policy;
use super::{DEFAULT_ALLOW_HEADERS, DEFAULT_ALLOW_METHODS};
use crate::settings::{Problem, Problems, Settings, Value};

/// One day.
const DEFAULT_MAX_AGE: i64 = 86_400;

/// Origins that have no authority: privacy-sensitive contexts, and files on Chrome for Android.
const SPECIAL_ORIGINS: [&str; 2] = ["null", "file://"];

/// Reads the settings; the order of the checks is the original's.
pub(super) fn policy(settings: &Settings) -> Result<Policy, Problems> {
    let mut checks = Checks { settings, problems: Vec::new() };
    let headers = checks.list(
        "CORS_ALLOW_HEADERS",
        "corsheaders.E001",
        "CORS_ALLOW_HEADERS should be a sequence of strings.",
        |name| name.parse::<HeaderName>().is_ok(),
        &DEFAULT_ALLOW_HEADERS,
    );
    let methods = checks.list(
        "CORS_ALLOW_METHODS",
        "corsheaders.E002",
        "CORS_ALLOW_METHODS should be a sequence of strings.",
        |name| name.parse::<Method>().is_ok(),
        &DEFAULT_ALLOW_METHODS,
    );
    let credentials = checks.flag(&["CORS_ALLOW_CREDENTIALS"], "corsheaders.E003");
    let private_network = checks.flag(&["CORS_ALLOW_PRIVATE_NETWORK"], "corsheaders.E015");
    let max_age = checks.max_age();
    let all = checks.flag(&["CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL"], "corsheaders.E005");
    let (origins, null) = checks.origins();
    let patterns = checks.origin_patterns();
    let expose = checks.list(
        "CORS_EXPOSE_HEADERS",
        "corsheaders.E008",
        "CORS_EXPOSE_HEADERS should be a sequence.",
        |name| name.parse::<HeaderName>().is_ok(),
        &[],
    );
    let urls = checks.urls();
    checks.removed();
    Problems::none_in(checks.problems)?;
    Ok(Policy {
        all,
        origins,
        null,
        patterns,
        urls,
        credentials,
        private_network,
        expose: expose.filter(|value| !value.is_empty()),
        headers: headers.unwrap_or(HeaderValue::from_static("")),
        methods: methods.unwrap_or(HeaderValue::from_static("")),
        max_age,
    })
}

struct Checks<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl Checks<'_> {
    fn report(&mut self, id: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(id, message, hint));
    }

    fn flag(&mut self, names: &[&str], id: &'static str) -> bool {
        match self.settings.first(names) {
            None => false,
            Some((_, Value::Bool(value))) => *value,
            Some((name, _)) => {
                self.report(id, format!("{name} should be a bool."), "");
                false
            }
        }
    }

    /// A list of names, joined as it goes into a field.
    fn list(
        &mut self,
        name: &str,
        id: &'static str,
        message: &str,
        is_name: impl Fn(&str) -> bool,
        default: &[&str],
    ) -> Option<HeaderValue> {
        let joined = match self.settings.get(name) {
            None => default.join(", "),
            Some(value) => {
                let Some(names) = texts(value) else {
                    self.report(id, message, "");
                    return None;
                };
                for wrong in names.iter().filter(|text| !is_name(text)) {
                    self.report(id, message, format!("{wrong:?} is no name that HTTP knows"));
                }
                names.join(", ")
            }
        };
        HeaderValue::try_from(joined).ok()
    }

    fn max_age(&mut self) -> Option<HeaderValue> {
        let seconds = match self.settings.get("CORS_PREFLIGHT_MAX_AGE") {
            None => DEFAULT_MAX_AGE,
            Some(Value::Integer(seconds)) if *seconds >= 0 => *seconds,
            Some(_) => {
                self.report(
                    "corsheaders.E004",
                    "CORS_PREFLIGHT_MAX_AGE should be an integer greater than or equal to zero.",
                    "",
                );
                0
            }
        };
        (seconds > 0).then(|| HeaderValue::from(seconds))
    }

    /// The allowed origins, and whether `null` is one of them.
    fn origins(&mut self) -> (Vec<Allowed>, bool) {
        let found = self.settings.first(&["CORS_ALLOWED_ORIGINS", "CORS_ORIGIN_WHITELIST"]);
        let Some((name, value)) = found else { return (Vec::new(), false) };
        let Some(origins) = texts(value) else {
            self.report("corsheaders.E006", format!("{name} should be a sequence of strings."), "");
            return (Vec::new(), false);
        };
        for origin in &origins {
            self.origin(name, origin);
        }
        let null = origins.contains(&"null");
        (origins.into_iter().filter_map(Allowed::parse).collect(), null)
    }

    fn origin(&mut self, name: &str, origin: &str) {
        if SPECIAL_ORIGINS.contains(&origin) {
            return;
        }
        let Some(url) = origin::split(origin) else {
            return self.report(
                "corsheaders.E013",
                format!("Origin '{origin}' in {name} is missing scheme or netloc"),
                "What stands in its brackets is no IP address.",
            );
        };
        if url.scheme.is_empty() || url.authority.is_empty() {
            return self.report(
                "corsheaders.E013",
                format!("Origin '{origin}' in {name} is missing scheme or netloc"),
                "Add a scheme (e.g. https://) or netloc (e.g. example.com).",
            );
        }
        for (part, text) in [("path", url.path), ("query", url.query), ("fragment", url.fragment)] {
            if !text.is_empty() {
                let message = format!("Origin '{origin}' in {name} should not have {part}");
                self.report("corsheaders.E014", message, "");
            }
        }
    }

    fn origin_patterns(&mut self) -> Vec<regex::Regex> {
        let names = ["CORS_ALLOWED_ORIGIN_REGEXES", "CORS_ORIGIN_REGEX_WHITELIST"];
        let Some((name, value)) = self.settings.first(&names) else { return Vec::new() };
        let message = format!("{name} should be a sequence of strings and/or compiled regexes.");
        let Some(patterns) = texts(value) else {
            self.report("corsheaders.E007", message, "");
            return Vec::new();
        };
        let mut compiled = Vec::with_capacity(patterns.len());
        for text in patterns {
            match pattern::whole(text) {
                Ok(pattern) => compiled.push(pattern),
                Err(error) => self.report("corsheaders.E007", &message, error.to_string()),
            }
        }
        compiled
    }

    fn urls(&mut self) -> Option<regex::Regex> {
        let message = "CORS_URLS_REGEX should be a string or regex.";
        match self.settings.get("CORS_URLS_REGEX") {
            None => None,
            Some(Value::Text(text)) => match pattern::from_start(text) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    self.report("corsheaders.E009", message, error.to_string());
                    None
                }
            },
            Some(_) => {
                self.report("corsheaders.E009", message, "");
                None
            }
        }
    }

    fn removed(&mut self) {
        if self.settings.get("CORS_MODEL").is_some() {
            self.report(
                "corsheaders.E012",
                "The CORS_MODEL setting has been removed - see django-cors-headers' HISTORY.",
                "Use Cors::allow_when.",
            );
        }
        if self.settings.get("CORS_REPLACE_HTTPS_REFERER").is_some() {
            self.report(
                "corsheaders.E013",
                "The CORS_REPLACE_HTTPS_REFERER setting has been removed - see django-cors-headers' CHANGELOG.",
                "",
            );
        }
    }
}

/// The strings of a list; `None` where it is no list of strings.
fn texts(value: &Value) -> Option<Vec<&str>> {
    let Value::List(values) = value else { return None };
    values
        .iter()
        .map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_found_at_once() {
        let settings = Settings::new()
            .with("CORS_ALLOW_HEADERS", 1)
            .with("CORS_ALLOW_METHODS", 1)
            .with("CORS_ALLOW_CREDENTIALS", "yes")
            .with("CORS_ALLOW_PRIVATE_NETWORK", "yes")
            .with("CORS_PREFLIGHT_MAX_AGE", -1)
            .with("CORS_ORIGIN_ALLOW_ALL", "yes")
            .with("CORS_ALLOWED_ORIGINS", ["example.com", "https://a/b?c#d"])
            .with("CORS_ALLOWED_ORIGIN_REGEXES", ["("])
            .with("CORS_EXPOSE_HEADERS", true)
            .with("CORS_URLS_REGEX", 1)
            .with("CORS_MODEL", "x")
            .with("CORS_REPLACE_HTTPS_REFERER", true);
        let problems = policy(&settings).map(|_| ()).unwrap_err();
        let ids: Vec<_> =
            problems.iter().map(|problem| &problem.id["corsheaders.".len()..]).collect();
        assert_eq!(
            ids,
            [
                "E001", "E002", "E003", "E015", "E004", "E005", "E013", "E014", "E014", "E014",
                "E007", "E008", "E009", "E012", "E013"
            ]
        );
        assert_eq!(problems.to_string().matches("should be a bool").count(), 3);
    }

    #[test]
    fn a_problem_names_the_setting_by_the_name_that_was_used() {
        for (name, message) in [
            ("CORS_ORIGIN_WHITELIST", "CORS_ORIGIN_WHITELIST should be a sequence of strings."),
            ("CORS_ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGINS should be a sequence of strings."),
        ] {
            let problems = policy(&Settings::new().with(name, 7)).map(|_| ()).unwrap_err();
            assert_eq!(problems.iter().next().unwrap().message, message);
        }
    }

    #[test]
    fn names_that_no_field_can_carry_are_found_here_and_not_at_a_request() {
        for (name, id, value) in [
            ("CORS_ALLOW_HEADERS", "corsheaders.E001", "x y"),
            ("CORS_ALLOW_METHODS", "corsheaders.E002", "GET\r\n"),
            ("CORS_EXPOSE_HEADERS", "corsheaders.E008", ""),
        ] {
            let problems = policy(&Settings::new().with(name, [value])).map(|_| ()).unwrap_err();
            assert_eq!(problems.iter().next().unwrap().id, id);
        }
        let settings = Settings::new()
            .with("CORS_ALLOW_METHODS", ["VIEW", "x!"])
            .with("CORS_EXPOSE_HEADERS", ["*"]);
        assert!(policy(&settings).is_ok());
    }
}
