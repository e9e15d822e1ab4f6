//! The room of a response's head: a box that is used again, with a field map that is.
//!
//! Rules of this room: boxed, because a head is moved from the application to its slot and on to the server; a thread keeps the box of the head that
//! left last, empty, and the next one moves in. It keeps the map of the request that ended last, empty as well, for the fields of the next
//! response. hyper does as much with a response's map for the request after it, so that the maps of a connection go round and none is
//! allocated.

use std::cell::Cell;
use std::mem;

use http::HeaderMap;
use http::response::Parts;

/// What stands in the box.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    // What the server's response is made of: nothing is moved from one map to another on the way.
    pub(crate) parts: Parts,
    pub(crate) content_length: Option<u64>,
}

/// A map with room for more fields is not kept: it may wait for long, and so may the connection that comes to hold it.
const MOST_FIELDS: usize = 48;

thread_local! {
    /// A box in which stands a head that holds nothing, but may have space for fields.
    static SPARE: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

/// 200, no fields.
#[inline]
fn parts() -> Parts {
    http::Response::new(()).into_parts().0
}

impl Room {
    /// For 200, with no fields, but with space for them where there was a request before.
    #[inline(always)]
    pub(crate) fn empty() -> Box<Self> {
        // Without a spare one, or in a thread that ends, a new one does.
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        spare.unwrap_or_else(|| Box::new(Self { parts: parts(), content_length: None }))
    }

    /// For the head of a response that was made elsewhere.
    pub(crate) fn of(parts: Parts, content_length: Option<u64>) -> Box<Self> {
        let mut room = Self::empty();
        *room = Self { parts, content_length };
        room
    }

    /// Takes the parts out, and keeps the box for the next head of this thread.
    #[inline(always)]
    pub(crate) fn leave(mut self: Box<Self>) -> Parts {
        let taken = mem::replace(&mut self.parts, parts());
        self.content_length = None;
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        taken
    }
}

/// Leaves the map of a request that is over, cleared, to the next response of this thread; one without capacity is in its place then.
#[inline]
pub(crate) fn leave_fields(fields: &mut HeaderMap) {
    if fields.capacity() == 0 {
        return;
    }
    let _ = SPARE.try_with(|spare| {
        let Some(mut room) = spare.take() else { return };
        if room.parts.headers.capacity() == 0 {
            mem::swap(&mut room.parts.headers, fields);
        }
        spare.set(Some(room));
    });
    // Without a spare box, or where one has a map already, it goes.
    if fields.capacity() > 0 {
        *fields = HeaderMap::new();
    }
}

/// Takes the fields out of a map, and leaves its space unless that is large.
#[inline]
pub(crate) fn clear_fields(fields: &mut HeaderMap) {
    // The length counts what is repeated, which the capacity does not.
    if fields.capacity() <= MOST_FIELDS && fields.len() <= MOST_FIELDS {
        fields.clear();
    } else {
        *fields = HeaderMap::new();
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn fields(count: usize) -> HeaderMap {
        (0..count)
            .map(|number| {
                let name = HeaderName::try_from(format!("x-{number}")).unwrap();
                (name, HeaderValue::from_static("a"))
            })
            .collect()
    }

    #[test]
    fn a_request_leaves_its_map_without_its_fields() {
        let mut given = fields(20);
        let space = given.capacity();
        clear_fields(&mut given);
        Room::empty().leave();
        leave_fields(&mut given);
        assert_eq!(given.capacity(), 0, "it is given away");
        let mut second = HeaderMap::with_capacity(1);
        leave_fields(&mut second);
        assert_eq!(second.capacity(), 0, "it is given away even where nobody keeps it");
        let first = Room::empty().parts.headers;
        assert_eq!((first.len(), first.capacity()), (0, space), "the first that was left");
        assert_eq!(Room::empty().parts.headers.capacity(), 0, "it is given once");
    }

    #[test]
    fn a_large_map_is_not_kept() {
        let mut repeated = HeaderMap::new();
        for _ in 0..=MOST_FIELDS {
            repeated.append("x", HeaderValue::from_static("a"));
        }
        for mut large in [fields(MOST_FIELDS + 1), repeated] {
            clear_fields(&mut large);
            assert_eq!((large.len(), large.capacity()), (0, 0));
        }
    }

    #[test]
    fn a_room_that_was_left_is_as_good_as_new() {
        let mut room = Room::empty();
        let place: *const Room = &*room;
        room.parts.status = StatusCode::NOT_FOUND;
        room.parts.headers = fields(3);
        room.parts.extensions.insert(1);
        room.content_length = Some(5);
        assert_eq!(room.leave().headers.len(), 3);
        let room = Room::empty();
        assert!(std::ptr::eq(place, &*room));
        assert_eq!((room.parts.status, room.content_length), (StatusCode::OK, None));
        assert!(room.parts.headers.is_empty() && room.parts.extensions.is_empty());
    }
}
