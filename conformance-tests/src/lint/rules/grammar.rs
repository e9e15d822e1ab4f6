//! Grammars of field values that several rules share.
//!
//! Rules of this room: text in, verdict out; each follows the ABNF of the section that it names, and no more.

/// `token` (RFC 9110 section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

/// `media-type` without a look inside the parameters (RFC 9110 section 8.3.1).
pub(crate) fn is_media_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or("").trim_end();
    name.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// `IMF-fixdate` (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, the day of the week included.
pub(crate) fn is_date(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let octets = text.as_bytes();
    if octets.len() != 29 || !text.is_ascii() {
        return false;
    }
    let number = |from: usize, to: usize| {
        let digits = &text[from..to];
        digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let fixed = &text[3..5] == ", "
        && octets[7] == b' '
        && octets[11] == b' '
        && octets[16] == b' '
        && octets[19] == b':'
        && octets[22] == b':'
        && &text[25..] == " GMT";
    let Some(month) = MONTHS.iter().position(|month| *month == &text[8..11]) else { return false };
    let (Some(day), Some(year)) = (number(5, 7), number(12, 16)) else { return false };
    let (Some(hour), Some(minute), Some(second)) = (number(17, 19), number(20, 22), number(23, 25))
    else {
        return false;
    };
    // Sakamoto's formula gives the day of the week; a wrong one betrays a date put together by hand.
    const SHIFTS: [u64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let counted = if month < 2 { year.saturating_sub(1) } else { year };
    let weekday = (counted + counted / 4 - counted / 100 + counted / 400 + SHIFTS[month] + day) % 7;
    fixed
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && DAYS[usize::try_from(weekday).unwrap_or(0)] == &text[..3]
}

/// `entity-tag` (RFC 9110 section 8.8.3).
pub(crate) fn is_entity_tag(value: &[u8]) -> bool {
    let opaque = value.strip_prefix(b"W/").unwrap_or(value);
    opaque.len() >= 2
        && opaque.starts_with(b"\"")
        && opaque.ends_with(b"\"")
        && opaque[1..opaque.len() - 1]
            .iter()
            .all(|octet| *octet > 0x20 && !b"\"\x7f".contains(octet))
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2); empty is well formed.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let end = if text.starts_with('[') {
        let Some(end) = text.find(']') else { return false };
        let literal = &text[1..end];
        let version = literal.starts_with(['v', 'V']);
        if !version && literal.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        end + 1
    } else {
        let end = text.find(':').unwrap_or(text.len());
        if !is_registered_name(&value[..end]) {
            return false;
        }
        end
    };
    let port = &text[end..];
    port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|octet| octet.is_ascii_digit()))
}

fn is_registered_name(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let [octet, tail @ ..] = rest {
        rest = match (octet, tail) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            (octet, tail)
                if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(octet) =>
            {
                tail
            }
            _ => return false,
        };
    }
    true
}

/// A list of tokens, `*` being one; it may have none (RFC 9110 section 5.6.1).
pub(crate) fn is_token_list(text: &str) -> bool {
    text.trim().is_empty() || text.split(',').map(str::trim).all(is_token)
}

/// The name, and what else tells one cookie from another: domain and path.
pub(crate) fn cookie_identity(text: &str) -> Option<(&str, String, String)> {
    let mut parts = text.split(';').map(str::trim);
    let (name, _) = parts.next()?.split_once('=')?;
    let name = name.trim();
    if !is_token(name) {
        return None;
    }
    let (mut domain, mut path) = (String::new(), String::new());
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match attribute.trim().to_ascii_lowercase().as_str() {
            "domain" => domain = value.trim().trim_start_matches('.').to_ascii_lowercase(),
            "path" => path = value.trim().to_owned(),
            _ => {}
        }
    }
    Some((name, domain, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_fixed_form_with_its_own_weekday() {
        assert!(is_date("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(is_date("Thu, 29 Feb 2024 23:59:60 GMT"));
        for bad in [
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "0",
            "",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_a_literal_and_a_port() {
        for good in
            ["", "a", "a:80", "a:", "[::1]", "[::1]:8000", "ex%41mple.com", "a_b", "1.2.3.4"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in
            ["a b", "u@a", "a/b", "a:x", "[::1", "[::1]x", "[1]", "a%4", "a%zz", "a:1:2", "é"]
        {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn an_entity_tag_is_quoted() {
        for good in ["\"\"", "\"abc\"", "W/\"a-b:c\""] {
            assert!(is_entity_tag(good.as_bytes()), "{good}");
        }
        for bad in ["abc", "\"", "w/\"a\"", "\"a", "\"a b\"", "\"a\"b\"", "W/", ""] {
            assert!(!is_entity_tag(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_media_type_has_two_tokens() {
        for good in ["text/plain", "text/html; charset=utf-8", "application/vnd.api+json"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["text", "text/", "/plain", "text/pl ain", "", "; charset=utf-8"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn a_cookie_is_known_by_name_domain_and_path() {
        let id = |text| cookie_identity(text);
        assert_eq!(id("a=1; Path=/; HttpOnly"), id("a=2; path=/"));
        assert_ne!(id("a=1; Path=/"), id("a=1; Path=/b"));
        assert_eq!(id("a=1; Domain=.Example.org"), id("a=1; domain=example.org"));
        assert!(id("no equals sign").is_none() && id("=x").is_none() && id("a b=1").is_none());
    }
}
