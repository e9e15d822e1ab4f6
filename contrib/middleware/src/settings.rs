//! Settings by the names that Django gives them, from a TOML file or from code.
//!
//! Rules of this room: it keeps values and judges none; who uses a setting checks it, at construction, and reports everything
//! that is wrong at once.

use std::collections::BTreeMap;
use std::fmt;

/// A setting's value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(String),
    /// A list or tuple.
    List(Vec<Value>),
    /// What no setting here takes (a table, a date, a float), by the name of its type.
    Other(&'static str),
}

/// Settings by name.
///
/// A Django project's settings are moved as they stand: the names are Django's, Python's `True` is `true`, and a tuple is a list.
///
/// ```
/// use rwgi_middleware::Settings;
///
/// let from_file = Settings::from_toml(r#"
///     CORS_ALLOWED_ORIGINS = ["https://example.com"]
///     CORS_ALLOW_CREDENTIALS = true
/// "#)?;
/// let from_code = Settings::new()
///     .with("CORS_ALLOWED_ORIGINS", ["https://example.com"])
///     .with("CORS_ALLOW_CREDENTIALS", true);
/// assert_eq!(from_file, from_code);
/// # Ok::<(), rwgi_middleware::Problems>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    values: BTreeMap<String, Value>,
}

impl Settings {
    /// No settings: every default holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The top-level values of a TOML document.
    ///
    /// # Errors
    /// The text is no TOML.
    pub fn from_toml(text: &str) -> Result<Self, Problems> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Problems::one(Problem::new(
                "settings.toml",
                "the settings are no TOML",
                error.to_string(),
            ))
        })?;
        let values = table.into_iter().map(|(name, value)| (name, value.into())).collect();
        Ok(Self { values })
    }

    /// Sets one, replacing what it was. A value of the wrong type is told by the middleware that reads it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// The value of one; `None` where it is not set, and its default holds.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The first of several names that is set, with its value: a name and its older aliases.
    pub(crate) fn first<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &Value)> {
        names.iter().find_map(|name| self.get(name).map(|value| (*name, value)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(values: [T; N]) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl From<toml::Value> for Value {
    fn from(value: toml::Value) -> Self {
        match value {
            toml::Value::Boolean(value) => Self::Bool(value),
            toml::Value::Integer(value) => Self::Integer(value),
            toml::Value::String(value) => Self::Text(value),
            toml::Value::Array(values) => values.into(),
            toml::Value::Float(_) => Self::Other("float"),
            toml::Value::Datetime(_) => Self::Other("date"),
            toml::Value::Table(_) => Self::Other("table"),
        }
    }
}

/// Something wrong in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Which check found it: `corsheaders.E006`, as the original names it, where there is one.
    pub id: &'static str,
    /// What is wrong.
    pub message: String,
    /// What is known of it beyond that, or what to do; may be empty.
    pub hint: String,
}

impl Problem {
    pub(crate) fn new(
        id: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { id, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint.trim_end()) }
    }
}

/// Everything wrong in the settings, found at once; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// `Err` where anything was found.
    pub(crate) fn none_in(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// Each of them, in the order of the checks.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_type_on_both_ways_in() {
        let settings =
            Settings::from_toml("A = 1\nB = [\"x\", 2]\nC = 1.5\nD = {}\nE = false").unwrap();
        assert_eq!(settings.get("A"), Some(&Value::from(1)));
        assert_eq!(settings.get("B"), Some(&Value::List(vec!["x".into(), 2.into()])));
        assert_eq!(settings.get("C"), Some(&Value::Other("float")));
        assert_eq!(settings.get("D"), Some(&Value::Other("table")));
        assert_eq!(settings.get("E"), Some(&Value::Bool(false)));
        assert_eq!(settings.get("F"), None);
    }

    #[test]
    fn a_file_that_is_no_toml_is_a_problem_with_its_place() {
        let problems = Settings::from_toml("A = \n").unwrap_err();
        assert!(problems.to_string().starts_with("settings.toml: "), "{problems}");
        assert!(problems.to_string().contains("line 1"), "{problems}");
    }

    #[test]
    fn the_newer_name_comes_first() {
        let settings = Settings::new().with("OLD", 1).with("NEW", 2);
        assert_eq!(settings.first(&["NEW", "OLD"]), Some(("NEW", &2.into())));
        assert_eq!(settings.first(&["NEWER", "OLD"]), Some(("OLD", &1.into())));
        assert_eq!(settings.first(&["NEWER"]), None);
    }
}
