//! Values: from the text or TOML value that somebody gave to a field, and back.
//!
//! Rules of this room: what is shown can be given again and means the same; an error says what was given and how it is written rightly.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::config::check::{LONGEST, TOO_LONG};

/// A value as somebody gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// From a flag, a variable, or a string of the file.
    Text(String),
    /// A number of the file.
    Number(i64),
    /// `true` or `false` of the file.
    Switch(bool),
    /// A list of the file, or a flag that was given more than once.
    Texts(Vec<String>),
    /// Something of the file that no option takes.
    Other(&'static str),
}

impl Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => number.fmt(f),
            Self::Switch(switch) => switch.fmt(f),
            Self::Texts(texts) => write!(f, "{texts:?}"),
            Self::Other(kind) => write!(f, "a value of type {kind}"),
        }
    }
}

/// The word for "none" where an option may have no value.
pub(crate) const OFF: &str = "off";

/// The field of an option, and how its values are written.
pub(crate) enum Slot<'a> {
    /// A number.
    Count(&'a mut dyn Number),
    /// A number of bytes: `4096`, `64KiB`, `2MiB`, `1GiB`; `kB`, `MB` and `GB` are powers of ten.
    Bytes(&'a mut dyn Number),
    /// A time: `500ms`, `10s`, `5m`, `1h`; a plain number is seconds.
    Time(&'a mut Duration),
    /// As [`Time`](Self::Time), or `off`.
    MaybeTime(&'a mut Option<Duration>),
    /// On or off.
    Switch(&'a mut bool),
    /// Any text.
    Text(&'a mut String),
    /// Any text, or `off`.
    MaybeText(&'a mut Option<String>),
    /// A path, or `off`.
    MaybePath(&'a mut Option<PathBuf>),
    /// A list; in flags and variables its items are parted by commas.
    Texts(&'a mut Vec<String>),
    /// A type with a text form of its own, and an error that says what would be right.
    Own(&'a mut dyn Own),
    /// As [`Own`](Self::Own), of several items, parted by commas.
    Owns(&'a mut dyn Own),
}

/// An unsigned integer of whatever width.
pub(crate) trait Number {
    fn set(&mut self, number: u64) -> Result<(), String>;
    fn get(&self) -> u64;
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn set(&mut self, number: u64) -> Result<(), String> {
                *self = Self::try_from(number)
                    .map_err(|_| format!("{number} is too large; the most is {}", Self::MAX))?;
                Ok(())
            }
            fn get(&self) -> u64 {
                u64::try_from(*self).unwrap_or(u64::MAX)
            }
        }
    )*};
}

number!(u16, u32, u64, usize);

/// A type with a text form of its own.
pub(crate) trait Own {
    fn set(&mut self, text: &str) -> Result<(), String>;
    fn show(&self) -> String;
}

impl<T: FromStr<Err: Display> + Display> Own for T {
    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|error: T::Err| error.to_string())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Slot<'_> {
    /// Takes a value over.
    ///
    /// # Errors
    /// What was given, and what would be right; the field is as it was.
    pub(crate) fn set(&mut self, given: &Given) -> Result<(), String> {
        match self {
            Self::Count(field) => field.set(count(given)?),
            Self::Bytes(field) => field.set(bytes(given)?),
            Self::Time(field) => {
                **field = time(given)?;
                Ok(())
            }
            Self::MaybeTime(field) => {
                **field = if is_off(given) { None } else { Some(time(given)?) };
                Ok(())
            }
            Self::Switch(field) => {
                **field = switch(given)?;
                Ok(())
            }
            Self::Text(field) => {
                **field = text(given)?;
                Ok(())
            }
            Self::MaybeText(field) => {
                **field = if is_off(given) { None } else { Some(text(given)?) };
                Ok(())
            }
            Self::MaybePath(field) => {
                **field = if is_off(given) { None } else { Some(text(given)?.into()) };
                Ok(())
            }
            Self::Texts(field) => {
                **field = texts(given)?;
                Ok(())
            }
            Self::Own(field) | Self::Owns(field) => match given {
                Given::Texts(texts) => field.set(&texts.join(",")),
                Given::Switch(false) => field.set(OFF),
                Given::Number(number) => field.set(&number.to_string()),
                given => field.set(&text(given)?),
            },
        }
    }

    /// The value as it is written in the file.
    pub(crate) fn show(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Self::Count(field) => field.get().to_string(),
            Self::Bytes(field) => match show_bytes(field.get()) {
                text if text.bytes().all(|octet| octet.is_ascii_digit()) => text,
                text => quoted(&text),
            },
            Self::Time(field) => quoted(&show_time(**field)),
            Self::MaybeTime(field) => quoted(&field.map_or_else(|| OFF.to_owned(), show_time)),
            Self::Switch(field) => field.to_string(),
            Self::Text(field) => quoted(field),
            Self::MaybeText(field) => quoted(field.as_deref().unwrap_or(OFF)),
            Self::MaybePath(field) => {
                quoted(&field.as_deref().map_or_else(|| OFF.into(), |path| path.to_string_lossy()))
            }
            Self::Texts(field) => {
                let items: Vec<_> = field.iter().map(|item| quoted(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Own(field) | Self::Owns(field) => quoted(&field.show()),
        }
    }
}

/// The items of a list that is one text.
pub(crate) fn items(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned)
}

fn is_off(given: &Given) -> bool {
    match given {
        Given::Text(text) => text.trim().eq_ignore_ascii_case(OFF),
        Given::Switch(on) => !on,
        _ => false,
    }
}

fn count(given: &Given) -> Result<u64, String> {
    let number = match given {
        Given::Text(text) => text.trim().replace('_', "").parse().ok(),
        Given::Number(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{given} is no number; write it in digits"))
}

fn bytes(given: &Given) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let number = match given {
        Given::Text(text) => {
            let (digits, unit) = number_and_unit(text);
            let factor = match unit {
                "" => Some(1),
                unit => UNITS
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                    .map(|(_, factor)| *factor),
            };
            let number: Option<u64> = digits.parse().ok();
            number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor))
        }
        Given::Number(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let right = "write it as 4096, \"64KiB\" or \"2MiB\"";
    number.ok_or_else(|| format!("{given} is no size; {right}"))
}

fn time(given: &Given) -> Result<Duration, String> {
    let time = match given {
        Given::Text(text) => {
            let (digits, unit) = number_and_unit(text);
            let number: Option<u64> = digits.parse().ok();
            number.and_then(|number| match unit {
                "ms" => Some(Duration::from_millis(number)),
                "" | "s" => Some(Duration::from_secs(number)),
                "m" | "min" => Some(Duration::from_secs(number.saturating_mul(60))),
                "h" => Some(Duration::from_secs(number.saturating_mul(3600))),
                _ => None,
            })
        }
        Given::Number(number) => u64::try_from(*number).ok().map(Duration::from_secs),
        _ => None,
    };
    let right = "write it as \"500ms\", \"10s\", \"5m\" or \"1h\"";
    match time {
        Some(time) if time <= LONGEST => Ok(time),
        Some(_) => Err(format!("{given} is {TOO_LONG}")),
        None => Err(format!("{given} is no time; {right}")),
    }
}

/// Digits, and what follows them.
fn number_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits, unit.trim_start())
}

fn switch(given: &Given) -> Result<bool, String> {
    match given {
        Given::Switch(switch) => return Ok(*switch),
        Given::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => return Ok(true),
            "false" | "off" | "no" | "0" | "" => return Ok(false),
            _ => {}
        },
        _ => {}
    }
    Err(format!("{given} is neither true nor false"))
}

fn text(given: &Given) -> Result<String, String> {
    match given {
        Given::Text(text) => Ok(text.clone()),
        given => Err(format!("{given} is no text; write it in quotes")),
    }
}

fn texts(given: &Given) -> Result<Vec<String>, String> {
    match given {
        Given::Text(text) => Ok(items(text).collect()),
        Given::Texts(texts) => Ok(texts.clone()),
        given => Err(format!("{given} is no list of texts; write it as [\"one\", \"two\"]")),
    }
}

fn show_bytes(number: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if number != 0 && number.trailing_zeros() >= shift {
            return format!("{}{unit}", number >> shift);
        }
    }
    number.to_string()
}

fn show_time(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis()) {
        (seconds, 0) if seconds != 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) if seconds != 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn sizes() {
        for (given, right) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1kB", 1000),
            ("3 MB", 3_000_000),
            ("2GiB", 2 << 30),
            ("7B", 7),
        ] {
            assert_eq!(bytes(&text(given)), Ok(right), "{given}");
        }
        for wrong in ["", "KiB", "-1", "1.5MiB", "4 KB KB", "99999999999GiB", "1e3", "٣"] {
            assert!(bytes(&text(wrong)).is_err(), "{wrong}");
        }
        assert!(bytes(&Given::Number(-1)).is_err());
        assert!(bytes(&Given::Other("float")).unwrap_err().contains("float"));
    }

    #[test]
    fn times() {
        for (given, right) in
            [("10", 10_000), ("10s", 10_000), ("250 ms", 250), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(time(&text(given)), Ok(Duration::from_millis(right)), "{given}");
        }
        for wrong in ["", "s", "1d", "-1s", "1.5s", "99999999999999999999s", "999999999999h"] {
            assert!(time(&text(wrong)).is_err(), "{wrong}");
        }
        for long in ["3162240001s", "878401h", &format!("{}h", u64::MAX)] {
            assert!(time(&text(long)).unwrap_err().ends_with("the most is 878400h"), "{long}");
        }
        assert_eq!(time(&text("878400h")), Ok(LONGEST));
    }

    #[test]
    fn what_is_shown_can_be_given_again() {
        for number in [0, 1, 1000, 1024, 32 * 1024, 2 << 20, 3 << 30, u64::MAX] {
            assert_eq!(bytes(&text(&show_bytes(number))), Ok(number));
        }
        for millis in [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(time(&text(&show_time(duration))), Ok(duration));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused_and_changes_nothing() {
        let mut field = 7_u16;
        assert!(Slot::Count(&mut field).set(&Given::Number(70_000)).is_err());
        assert_eq!(field, 7);
    }

    #[test]
    fn off_is_no_value() {
        let mut field = Some(Duration::from_secs(1));
        Slot::MaybeTime(&mut field).set(&text("off")).unwrap();
        assert_eq!((field, Slot::MaybeTime(&mut field).show()), (None, "\"off\"".to_owned()));
        Slot::MaybeTime(&mut field).set(&Given::Number(5)).unwrap();
        assert_eq!(field, Some(Duration::from_secs(5)));
    }
}
