//! What an environ holds, in a box that is used again.
//!
//! Rules of this room: boxed, because an environ is moved through every layer, and so is every future that holds one; a thread keeps
//! the box of the environ that it dropped last, empty, and the next one moves in.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use http::request;

use super::Forwarded;
use crate::{Connection, Input, UpgradeOffer, head_room};

/// The box of an environ; gives itself back to its thread when it is dropped.
pub(super) struct Facts(Option<Box<Room>>);

/// What stands in the box.
pub(super) struct Room {
    head: Option<request::Parts>,
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
        room.head = Some(head);
        room.input = Some(input);
        room.connection = Some(connection);
        Self(Some(room))
    }

    #[inline]
    pub(super) fn head(&self) -> &request::Parts {
        self.head.as_ref().expect(IN_USE)
    }

    #[inline]
    pub(super) fn head_mut(&mut self) -> &mut request::Parts {
        self.head.as_mut().expect(IN_USE)
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
        let (head, input, connection) =
            (self.head.take(), self.input.take(), self.connection.take());
        (head.expect(IN_USE), input.expect(IN_USE), connection.expect(IN_USE))
    }
}

impl Room {
    fn empty() -> Self {
        Self { head: None, mount: 0, input: None, connection: None, forwarded: None, upgrade: None }
    }
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
        if let Some(request::Parts { headers, .. }) = room.head.take() {
            head_room::keep_fields(headers);
        }
        room.mount = 0;
        room.input = None;
        room.connection = None;
        room.forwarded = None;
        room.upgrade = None;
        let _ = SPARE.try_with(|spare| spare.set(Some(room)));
    }
}
