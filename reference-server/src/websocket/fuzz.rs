//! Frames in any order, whole and broken, against a second reading of RFC 6455: what comes out is what this says, however the octets were
//! cut, and nothing comes after a broken rule or a Close frame.
//!
//! The first octet says in bit 0 whether compression was agreed on, in bits 1 and 2 what a message may have at most, and in the others where the
//! octets are cut. Then each octet is a frame: bits 0 to 3 choose its first octet, bits 4 to 7 its payload: so many of the octets that follow, or a
//! fill of one of them, or octets that stand on the wire as they are.

use rwgi::{CloseCode, Message};

use super::decoder::{Decoder, Event};
use super::deflate::Agreed;
use super::tests::{all_in, frame};

const FIRST: [u8; 16] = [
    0x81, 0x82, 0x01, 0x02, 0x80, 0x00, 0x80, 0x00, 0x89, 0x8a, 0x88, 0xc1, 0xc2, 0x41, 0x83, 0x09,
];
const LIMITS: [usize; 4] = [10, 200, 6000, 100_000];

/// The octets on the wire that a play stands for.
fn wire(mut play: &[u8]) -> Vec<u8> {
    let mut take = |count: usize| {
        let (taken, rest) = play.split_at(count.min(play.len()));
        play = rest;
        taken.to_vec()
    };
    let mut wire = Vec::new();
    while let [choice] = take(1)[..] {
        let first = FIRST[usize::from(choice & 0x0f)];
        let fill = |octet: Vec<u8>, count| vec![octet.first().copied().unwrap_or(b'a'); count];
        let payload = match choice >> 4 {
            length @ 0..=10 => take(usize::from(length)),
            11 => fill(take(1), 126),
            12 => fill(take(1), 300),
            13 => fill(take(1), 5000),
            14 => fill(take(1), 70_000),
            _ => {
                wire.extend(take(4));
                continue;
            }
        };
        wire.extend(frame(first, &payload));
    }
    wire
}

/// What RFC 6455 makes of these octets where no extension was agreed on: the events, and the code that closes. `None` where a rule may be
/// broken by a head that has not all come, which may be told or not.
fn read(mut octets: &[u8], limit: usize) -> (Vec<Event>, Option<Option<u16>>) {
    let mut events = Vec::new();
    let mut message: Option<(bool, Vec<u8>)> = None;
    loop {
        let Some((head, payload_length, key)) = head(octets) else {
            return (events, if octets.is_empty() { Some(None) } else { None });
        };
        let (first, second) = (octets[0], octets[1]);
        let (opcode, control, fin) = (first & 0x0f, first & 8 != 0, first & 0x80 != 0);
        let long = matches!(second & 0x7f, 126 | 127);
        let shortest = match payload_length {
            0..126 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        let broken = first & 0x70 != 0
            || !matches!(opcode, 0..=2 | 8..=10)
            || second & 0x80 == 0
            || payload_length >> 63 != 0
            || head != shortest
            || control && (!fin || long)
            || opcode == 0 && message.is_none()
            || matches!(opcode, 1 | 2) && message.is_some();
        if broken {
            return (events, Some(Some(1002)));
        }
        let held = message.as_ref().map_or(0, |(_, data)| data.len());
        if !control && payload_length.saturating_add(held as u64) > limit as u64 {
            return (events, Some(Some(1009)));
        }
        let here = &octets[head + 4..];
        let length = here.len().min(usize::try_from(payload_length).unwrap_or(usize::MAX));
        let whole = length as u64 == payload_length;
        let unmasked =
            here[..length].iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key);
        let payload: Vec<u8> = unmasked.collect();
        octets = &here[length..];
        if control {
            if !whole {
                return (events, Some(None));
            }
            match opcode {
                9 => events.push(Event::Ping(payload.into())),
                10 => events.push(Event::Pong),
                _ => return close(events, &payload),
            }
            continue;
        }
        let (text, mut data) = message.take().unwrap_or((opcode == 1, Vec::new()));
        data.extend(payload);
        let ended = whole && fin;
        let bad = match std::str::from_utf8(&data) {
            Err(error) if text => ended || error.error_len().is_some(),
            _ => false,
        };
        if bad {
            return (events, Some(Some(1007)));
        }
        if !ended {
            message = Some((text, data));
            if !whole {
                return (events, Some(None));
            }
            continue;
        }
        events.push(Event::Message(match text {
            true => Message::Text(String::from_utf8(data).unwrap()),
            false => Message::Binary(data.into()),
        }));
    }
}

/// Where a head's mask begins, what length the head says, and the mask; nothing where it has not all come.
fn head(octets: &[u8]) -> Option<(usize, u64, [u8; 4])> {
    let more = match octets.get(1)? & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let said = octets.get(2..2 + more)?;
    let length = match more {
        0 => u64::from(octets[1] & 0x7f),
        _ => said.iter().fold(0, |length, octet| length << 8 | u64::from(*octet)),
    };
    Some((2 + more, length, *octets.get(2 + more..)?.first_chunk()?))
}

fn close(mut events: Vec<Event>, payload: &[u8]) -> (Vec<Event>, Option<Option<u16>>) {
    let Some((code, reason)) = payload.split_first_chunk() else {
        if !payload.is_empty() {
            return (events, Some(Some(1002)));
        }
        events.push(Event::Close(None));
        return (events, Some(None));
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return (events, Some(Some(1002)));
    }
    let Ok(reason) = std::str::from_utf8(reason) else { return (events, Some(Some(1007))) };
    events.push(Event::Close(Some((CloseCode::new(code).unwrap(), reason.to_owned()))));
    (events, Some(None))
}

fn play(octets: &[u8]) {
    let Some((&first, rest)) = octets.split_first() else { return };
    let limit = LIMITS[usize::from(first >> 1 & 3)];
    let offer = (first & 1 == 1).then_some("permessage-deflate");
    let agreed = Agreed::of(offer);
    let wire = wire(&rest[..rest.len().min(60)]);
    // Large ones in larger pieces, or most of the time goes there.
    let cut = usize::from(first >> 3) * 37 + 2 + wire.len() / 50;
    let decoded = |piece| all_in(&mut Decoder::new(limit, agreed.as_ref()), &wire, piece);
    let (events, broken) = decoded(cut);
    let same = |piece| {
        let (others, other) = decoded(piece);
        assert_eq!(others, events, "cut after each {piece}");
        // A compressed text can be too large and no text: which is seen first depends on how much comes at once.
        let either = |code| agreed.is_some() && matches!(code, Some(1007 | 1009));
        let fine = other == broken || either(other) && either(broken);
        assert!(fine, "cut after each {piece}: {other:?}, {broken:?}");
    };
    same(wire.len());
    if wire.len() < 2000 {
        same(1);
    }
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Message(message) => assert!(message.len() <= limit, "more than the limit"),
            Event::Close(_) => {
                assert!(at + 1 == events.len() && broken.is_none(), "after the close");
            }
            Event::Ping(payload) => assert!(payload.len() <= 125),
            Event::Pong => {}
        }
    }
    if agreed.is_none() {
        let (said, code) = read(&wire, limit);
        assert_eq!(events, said);
        match code {
            Some(code) => assert_eq!(broken, code),
            None => assert!(matches!(broken, None | Some(1002)), "{broken:?}"),
        }
    }
}

// Evidence: REQ-WS-07, REQ-WS-21
#[test]
fn fuzz_ws_frames() {
    bolero::check!().for_each(play);
}
