//! What an environ holds, in a box that is used again.
//!
//! Rules of this room: boxed, because an environ is moved through every layer, and so is every future that holds one; a thread keeps
//! the box of the environ that it dropped last, empty, and the next one moves in. The field map of the last one is still there then, without its
//! fields, and is left to the next response.

use std::cell::Cell;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use http::{Extensions, Method, Uri, request};

use super::Forwarded;
use crate::{Connection, Input, UpgradeOffer, head_room};

/// The box of an environ; gives itself back to its thread when it is dropped.
pub(super) struct Facts(Option<Box<Room>>);

/// What stands in the box.
pub(super) struct Room {
    /// In a spare box it holds nothing but an empty field map.
    head: request::Parts,
    /// Where `script_name` ends in the raw path.
    pub(super) mount: usize,
    input: Option<Input>,
    connection: Option<Arc<Connection>>,
    pub(super) forwarded: Option<Box<Forwarded>>,
    pub(super) upgrade: Option<Arc<UpgradeOffer>>,
}

thread_local! {
    static SPARE: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

const IN_USE: &str = "a box is emptied only when its environ ends";

impl Facts {
    #[inline]
    pub(super) fn new(head: request::Parts, input: Input, connection: Arc<Connection>) -> Self {
        // Without a spare one, or in a thread that ends, a new one does.
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let mut room = spare.unwrap_or_else(|| Box::new(Room::empty()));
        head_room::leave_fields(&mut room.head.headers);
        // What is left of the last one holds nothing, not even the space of a map, and its drop would cost as much as that of a head.
        mem::forget(mem::replace(&mut room.head, head));
        room.input = Some(input);
        room.connection = Some(connection);
        Self(Some(room))
    }

    #[inline]
    pub(super) fn head(&self) -> &request::Parts {
        &self.head
    }

    #[inline]
    pub(super) fn head_mut(&mut self) -> &mut request::Parts {
        &mut self.head
    }

    #[inline]
    pub(super) fn connection(&self) -> &Arc<Connection> {
        self.connection.as_ref().expect(IN_USE)
    }

    pub(super) fn input(&self) -> &Input {
        self.input.as_ref().expect(IN_USE)
    }

    pub(super) fn input_mut(&mut self) -> &mut Input {
        self.input.as_mut().expect(IN_USE)
    }

    pub(super) fn into_parts(mut self) -> (request::Parts, Input, Arc<Connection>) {
        let head = mem::replace(&mut self.head, empty_head());
        let (input, connection) = (self.input.take(), self.connection.take());
        (head, input.expect(IN_USE), connection.expect(IN_USE))
    }
}

impl Room {
    fn empty() -> Self {
        let (head, input, connection) = (empty_head(), None, None);
        Self { head, mount: 0, input, connection, forwarded: None, upgrade: None }
    }
}

fn empty_head() -> request::Parts {
    http::Request::new(()).into_parts().0
}

impl Deref for Facts {
    type Target = Room;

    #[inline]
    fn deref(&self) -> &Room {
        self.0.as_ref().expect(IN_USE)
    }
}

impl DerefMut for Facts {
    #[inline]
    fn deref_mut(&mut self) -> &mut Room {
        self.0.as_mut().expect(IN_USE)
    }
}

impl Drop for Facts {
    #[inline]
    fn drop(&mut self) {
        let Some(mut room) = self.0.take() else { return };
        // Where one of these panics in its drop, the box goes with it.
        let head = &mut room.head;
        head.method = Method::GET;
        head.uri = Uri::default();
        head.extensions = Extensions::new();
        head_room::clear_fields(&mut head.headers);
        room.mount = 0;
        room.input = None;
        room.connection = None;
        room.forwarded = None;
        room.upgrade = None;
        let _ = SPARE.try_with(|spare| spare.set(Some(room)));
    }
}
