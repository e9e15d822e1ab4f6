//! The name of a JSONP callback.
//!
//! Rules of this room: what passes can only ever be a dotted name in JavaScript; a list of what is allowed, not of what is dangerous.

/// The longest name that is accepted.
pub(super) const MAX_LENGTH: usize = 128;

/// Words that are no identifiers, in any edition of ECMAScript, strict mode included.
const RESERVED: [&str; 49] = [
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "async",
];

/// Whether `name` is one or more identifiers of ASCII letters, digits, `_` and `$`, joined by dots.
pub(super) fn is_valid(name: &str) -> bool {
    name.len() <= MAX_LENGTH && name.split('.').all(is_identifier)
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
        && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_libraries_make_pass() {
        for name in [
            "callback",
            "_",
            "$",
            "jQuery34109_1700000000",
            "angular.callbacks._0",
            "$.a.b",
            "__jp0",
            "a.constructor",
        ] {
            assert!(is_valid(name), "{name}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "1a",
            "a-b",
            "a b",
            "a(b)",
            "alert(1)//",
            "a;b",
            "a[0]",
            "a['b']",
            "a\n",
            "é",
            "a\u{2028}",
            "a/**/",
            "<script>",
            "function",
            "a.delete",
            "this.a",
            "null",
            "eval",
            "\0",
        ] {
            assert!(!is_valid(name), "{name:?}");
        }
        assert!(is_valid(&"a".repeat(MAX_LENGTH)));
        assert!(!is_valid(&"a".repeat(MAX_LENGTH + 1)));
    }

    proptest! {
        #[test]
        fn what_passes_holds_nothing_that_could_end_a_name(name in any::<String>()) {
            if is_valid(&name) {
                let harmless = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
                prop_assert!(name.chars().all(harmless));
            }
        }

        #[test]
        fn a_dotted_name_passes_unless_a_part_is_reserved(
            parts in proptest::collection::vec("[A-Za-z_$][A-Za-z0-9_$]{0,11}", 1..5),
        ) {
            let reserved = parts.iter().any(|part| RESERVED.contains(&part.as_str()));
            prop_assert_eq!(is_valid(&parts.join(".")), !reserved);
        }

        #[test]
        fn one_foreign_character_is_enough_to_refuse(
            name in "[a-z]{1,6}", place in 0_usize..6, foreign in "[^A-Za-z0-9_$.]",
        ) {
            let mut name = name;
            name.insert_str(place.min(name.len()), &foreign);
            prop_assert!(!is_valid(&name));
        }
    }
}
