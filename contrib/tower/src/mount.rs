//! Mounts: RWGI keeps the whole path and a place in it, tower's routers cut the path off.
//!
//! Rules of this room: it thinks, on values alone; the raw path of the request survives both ways, byte for byte
//! (REQ-MID-02); where it cannot be told how a target was changed, the changed one is the request's.

use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

/// The target before anything of its path was cut off, in a request's extensions.
#[derive(Clone, Debug)]
struct Original(Uri);

/// Cuts the first `mounted` bytes off the path, as axum's `nest` does, and keeps the whole target beside it.
pub(crate) fn strip(head: &mut Parts, mounted: usize) {
    let original = head.uri.clone();
    let mut parts = original.clone().into_parts();
    let Some(whole) = parts.path_and_query else { return };
    let rest = &whole.as_str()[mounted..];
    // A request for the mount itself has no path left, and a target has to have one.
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let Ok(rest) = format!("{slash}{rest}").parse::<PathAndQuery>() else { return };
    parts.path_and_query = Some(rest);
    let Ok(stripped) = Uri::from_parts(parts) else { return };
    head.uri = stripped;
    #[cfg(feature = "axum")]
    head.extensions.insert(axum::extract::OriginalUri(original.clone()));
    head.extensions.insert(Original(original));
}

/// Puts the whole target back in its place; gives how much of its path is the mount.
pub(crate) fn restore(head: &mut Parts) -> usize {
    let ours = head.extensions.remove::<Original>().map(|original| original.0);
    #[cfg(feature = "axum")]
    let ours = ours.or_else(|| {
        head.extensions.get::<axum::extract::OriginalUri>().map(|original| original.0.clone())
    });
    let Some(original) = ours else { return 0 };
    match cut(original.path(), head.uri.path()) {
        Some(length) if length > 0 && original.query() == head.uri.query() => {
            head.uri = original;
            length
        }
        _ => 0,
    }
}

/// How much of `original` was cut off to leave `rest`; `None` where `rest` is no end of it.
fn cut(original: &str, rest: &str) -> Option<usize> {
    if !rest.starts_with('/') {
        return None;
    }
    match original.strip_suffix(rest) {
        Some(mount) => Some(mount.len()),
        // The mount itself was asked for, and the slash was put there.
        None if rest == "/" => Some(original.len()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str) -> Parts {
        http::Request::builder().uri(target).body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_was_cut_off_comes_back_byte_for_byte() {
        for (target, mounted, seen) in [
            ("/shop/cart?a=b", 5, "/cart?a=b"),
            ("/shop", 5, "/"),
            ("/shop?a", 5, "/?a"),
            ("/shop/", 5, "/"),
            ("/a%2Fb//c", 6, "//c"),
            ("http://example.org/shop/cart", 5, "http://example.org/cart"),
        ] {
            let mut head = head(target);
            strip(&mut head, mounted);
            assert_eq!(head.uri.to_string(), seen, "{target}");
            assert_eq!(restore(&mut head), mounted, "{target}");
            assert_eq!(head.uri.to_string(), target);
        }
    }

    #[test]
    fn a_target_that_was_rewritten_stays_rewritten() {
        let mut head = head("/shop/cart?a");
        strip(&mut head, 5);
        head.uri = Uri::from_static("/other?a");
        assert_eq!((restore(&mut head), head.uri.path()), (0, "/other"));
        let mut head = self::head("/shop/cart?a");
        strip(&mut head, 5);
        head.uri = Uri::from_static("/cart?b");
        assert_eq!((restore(&mut head), head.uri.path()), (0, "/cart"));
    }
}
