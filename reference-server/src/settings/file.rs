//! The configuration file: TOML, read to its end whatever is wrong with it.
//!
//! Rules of this room: it thinks; no text makes it panic; each problem has its line and column, both from 1; options stand at the top of the file.

use toml::de::{DeTable, DeValue};

use super::table::TABLE;
use super::value::Given;
use super::{Origin, Settings, spelling};

/// Reads the file into the settings.
pub(super) fn read(settings: &mut Settings, name: &str, text: &str) {
    let place = |at: usize| {
        let (line, column) = position(text, at);
        Origin::File { name: name.to_owned(), line, column }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        settings.problem(place(at), error.message().replace('\n', ", "));
    }
    // A table's own options are looked at too, so that one misplaced heading does not hide what is below it.
    let mut tables = vec![table.get_ref()];
    let mut entries = Vec::new();
    while let Some(table) = tables.pop() {
        for (key, value) in table {
            if let DeValue::Table(inner) = value.get_ref() {
                let heading = key.get_ref();
                settings.problem(
                    place(key.span().start),
                    format!("options stand at the top of the file, without a table: delete the line `[{heading}]`"),
                );
                tables.push(inner);
            } else {
                entries.push((key, value));
            }
        }
    }
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let key_name = key.get_ref().as_ref();
        match TABLE.iter().find(|setting| setting.name == key_name) {
            Some(setting) => {
                settings.set(setting, &given(value.get_ref()), place(value.span().start))
            }
            None => {
                let names = TABLE.iter().map(|setting| setting.name.to_owned());
                let hint = spelling::hint(key_name, names);
                let message = format!("there is no option `{key_name}`{hint}");
                settings.problem(place(key.span().start), message);
            }
        }
    }
    let line = |origin: &Origin| match origin {
        Origin::File { line, column, .. } => (*line, *column),
        _ => (usize::MAX, 0),
    };
    settings.problems.sort_by_key(|problem| line(&problem.origin));
}

fn given(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            match i64::from_str_radix(&digits, number.radix()) {
                Ok(number) => Given::Number(number),
                Err(_) => Given::Other("integer beyond 64 bits"),
            }
        }
        DeValue::Boolean(switch) => Given::Switch(*switch),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.clone().into_owned()),
                _ => None,
            });
            texts
                .collect::<Option<_>>()
                .map_or(Given::Other("array of other things than texts"), Given::Texts)
        }
        other => Given::Other(other.type_str()),
    }
}

/// Line and column, both from 1, of an offset.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, Sources, settle};

    fn settled(text: &str) -> Settings {
        let file = Some(("rwgi.toml".to_owned(), text.to_owned()));
        settle(&Sources { file, ..Sources::default() })
    }

    #[test]
    fn every_kind_of_value_is_taken() {
        let settings = settled(
            "# how we serve\nbind = ['127.0.0.1:1', \"[::1]:2\"]\nhead_bytes = 0x1_000\n\
             target_bytes = \"2KiB\"\nhead_timeout = 5\ngrace = \"1m\"\n",
        );
        assert_eq!(settings.problems, []);
        assert_eq!(settings.config.bind, ["127.0.0.1:1", "[::1]:2"]);
        assert_eq!(settings.config.head_bytes, 4096);
    }

    #[test]
    fn broken_toml_is_told_with_its_place_and_hides_nothing() {
        let settings =
            settled("head_bytes = = 3\nbind = 5\ntarget_bytes = 'x\nlinger = 1979-05-27\n");
        let said: Vec<_> = settings.problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.starts_with("rwgi.toml:1:")), "{said:?}");
        assert!(
            said.iter().any(|line| line.starts_with("rwgi.toml:2:8: bind: 5 is no list")),
            "{said:?}"
        );
        assert!(said.iter().any(|line| line.starts_with("rwgi.toml:3:")), "{said:?}");
        assert!(said.iter().any(|line| line.starts_with("rwgi.toml:4:10: linger")), "{said:?}");
    }

    #[test]
    fn columns_count_characters() {
        let settings = settled("\"é\" = 1 # ü\n'ä_bytes' = 2");
        let said: Vec<_> = settings.problems.iter().map(ToString::to_string).collect();
        assert!(
            said[0].starts_with("rwgi.toml:1:1:") && said[1].starts_with("rwgi.toml:2:1:"),
            "{said:?}"
        );
    }
}
