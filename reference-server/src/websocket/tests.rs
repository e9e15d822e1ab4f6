//! The codec, by octets: what each frame makes, however it is cut, and what each violation closes with.

use bytes::{BufMut, Bytes, BytesMut};
use rwgi::Message;

use super::decoder::{Decoder, Event};
use super::deflate::{Agreed, Deflater, Inflater};
use super::encoder::Encoder;
use super::frame::{Head, Opcode, mask};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const LIMIT: usize = 100_000;

/// A frame of a client: the first octet as it is, the payload masked.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![first];
    match payload.len() {
        length @ 0..126 => octets.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            octets.push(0x80 | 126);
            octets.extend((length as u16).to_be_bytes());
        }
        length => {
            octets.push(0x80 | 127);
            octets.extend((length as u64).to_be_bytes());
        }
    }
    octets.extend(KEY);
    octets.extend(payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key));
    octets
}

fn decode_in(decoder: &mut Decoder, octets: &[u8], piece: usize) -> Result<Vec<Event>, u16> {
    let (events, broken) = all_in(decoder, octets, piece);
    broken.map_or(Ok(events), Err)
}

/// What came out of the decoder, and the code that it closed with.
pub(super) fn all_in(
    decoder: &mut Decoder,
    octets: &[u8],
    piece: usize,
) -> (Vec<Event>, Option<u16>) {
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in octets.chunks(piece.max(1)) {
        let mut piece = piece;
        while !piece.is_empty() {
            let direct = match decoder.direct() {
                Some((message, room)) if input.is_empty() => {
                    let length = room.min(piece.len());
                    message.extend_from_slice(&piece[..length]);
                    Some(length)
                }
                _ => None,
            };
            let mut event = match direct {
                Some(length) => {
                    piece = &piece[length..];
                    decoder.read_direct(length)
                }
                None => {
                    input.put_slice(piece);
                    piece = &[];
                    decoder.next(&mut input)
                }
            };
            loop {
                match event {
                    Ok(None) => break,
                    Ok(Some(more)) => events.push(more),
                    Err(violation) => return (events, Some(violation.code.into())),
                }
                event = decoder.next(&mut input);
            }
        }
    }
    (events, None)
}

/// Decodes in one piece and in pieces of many sizes, which must not matter.
fn decode_with(agreed: Option<Agreed>, octets: &[u8]) -> Result<Vec<Event>, u16> {
    let whole = decode_in(&mut Decoder::new(LIMIT, agreed.as_ref()), octets, octets.len());
    for piece in [1, 2, 3, 5, 7, 1000, 4096, 5000] {
        let cut = decode_in(&mut Decoder::new(LIMIT, agreed.as_ref()), octets, piece);
        assert_eq!(cut, whole, "cut after each {piece}");
    }
    whole
}

fn decode(octets: &[u8]) -> Result<Vec<Event>, u16> {
    decode_with(None, octets)
}

fn text(text: &str) -> Event {
    Event::Message(Message::from(text))
}

// Evidence: REQ-WS-07
#[test]
fn messages_come_whole_however_they_are_cut_and_fragmented() {
    for length in [0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, LIMIT] {
        let payload = vec![b'a'; length];
        let binary = Event::Message(Message::from(payload.clone()));
        assert_eq!(decode(&frame(0x82, &payload)), Ok(vec![binary.clone()]), "{length}");
        let string = text(std::str::from_utf8(&payload).unwrap());
        assert_eq!(decode(&frame(0x81, &payload)), Ok(vec![string]), "{length}");
        let (first, rest) = payload.split_at(length / 3);
        let ping = frame(0x89, b"?");
        let octets = [frame(0x02, first), ping, frame(0x00, rest), frame(0x80, b"")].concat();
        assert_eq!(decode(&octets), Ok(vec![Event::Ping("?".into()), binary]), "{length}");
    }
    let two = [frame(0x81, b"a"), frame(0x8a, b"x"), frame(0x81, b"b")].concat();
    assert_eq!(decode(&two), Ok(vec![text("a"), Event::Pong, text("b")]));
}

// Evidence: REQ-WS-08, REQ-WS-09, REQ-WS-10, REQ-WS-11, REQ-WS-12, REQ-WS-27
#[test]
fn each_broken_rule_of_a_frame_is_1002_as_soon_as_it_is_seen() {
    let mut broken: Vec<Vec<u8>> = Vec::new();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        broken.push(vec![0x80 | opcode]);
        broken.push(vec![opcode]);
    }
    for opcode in [1, 2, 8, 9, 10] {
        broken.extend([0x10, 0x20, 0x30, 0x50, 0x60, 0x70].map(|bits| vec![0x80 | bits | opcode]));
        broken.push(vec![0x80 | opcode, 0x01]);
    }
    for opcode in [8, 9, 10] {
        broken.push(vec![opcode]);
        broken.push(vec![0x80 | opcode, 0x80 | 126]);
        broken.push(vec![0x80 | opcode, 0x80 | 127]);
        broken.push(vec![0xc0 | opcode]);
    }
    broken.push(frame(0xc1, b""));
    broken.push(frame(0x80, b""));
    broken.push(frame(0x00, b"x"));
    broken.push([frame(0x01, b"a"), frame(0x81, b"b")].concat());
    broken.push([frame(0x01, b"a"), frame(0x02, b"b")].concat());
    broken.push([frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat());
    broken.push(vec![0x82, 0x80 | 126, 0, 125, 0, 0, 0, 0]);
    broken.push(vec![0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0]);
    broken.push(vec![0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for octets in broken {
        assert_eq!(decode(&octets), Err(1002), "{octets:x?}");
    }
}

// Evidence: REQ-WS-13
#[test]
fn text_is_utf8_and_the_octet_that_makes_it_none_is_the_last_one_read() {
    for (bad, after) in [
        (&b"\xff"[..], 1),
        (b"\xc0\xaf", 1),
        (b"\xe0\x80\xaf", 2),
        (b"\xed\xa0\x80", 2),
        (b"\xf4\x90\x80\x80", 2),
        (b"\xf8\x88\x80\x80\x80", 1),
        (b"\xce\xba\xe1\xbd\xb9\xf4\x90", 7),
        (b"\xc3(", 2),
        (b"\x80", 1),
    ] {
        let octets = frame(0x01, &[bad, b"and more"].concat());
        let mut decoder = Decoder::new(LIMIT, None);
        let head = octets.len() - bad.len() - 8;
        assert_eq!(decode_in(&mut decoder, &octets[..head + after - 1], 1), Ok(vec![]), "{bad:x?}");
        let last = &octets[head + after - 1..head + after];
        assert_eq!(decode_in(&mut decoder, last, 1), Err(1007), "{bad:x?}");
        assert_eq!(decode(&frame(0x81, bad)), Err(1007), "{bad:x?}");
    }
    // A character may be cut anywhere, and has to be finished.
    let octets: Vec<u8> =
        [frame(0x01, b"\xf0"), frame(0x00, b"\x9f\x98"), frame(0x80, b"\x80")].concat();
    assert_eq!(decode(&octets), Ok(vec![text("😀")]));
    assert_eq!(decode(&frame(0x81, b"\xf0\x9f\x98")), Err(1007));
    assert_eq!(decode(&[frame(0x01, b"\xf0\x9f"), frame(0x80, b"")].concat()), Err(1007));
}

// Evidence: REQ-WS-17, REQ-WS-18
#[test]
fn a_close_says_a_legal_code_and_reason_or_nothing_and_nothing_follows_it() {
    assert_eq!(decode(&frame(0x88, b"")), Ok(vec![Event::Close(None)]));
    for code in [
        1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
        4000, 4999,
    ] {
        let payload = [&code.to_be_bytes()[..], "é".repeat(61).as_bytes()].concat();
        let after = [frame(0x88, &payload), frame(0x81, b"late"), frame(0xff, b"")].concat();
        let Ok(events) = decode(&after) else { panic!("{code}") };
        let [Event::Close(Some((said, reason)))] = &events[..] else { panic!("{events:?}") };
        assert_eq!((u16::from(*said), reason.len()), (code, 122));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(decode(&frame(0x88, &code.to_be_bytes())), Err(1002), "{code}");
    }
    assert_eq!(decode(&frame(0x88, &[3])), Err(1002));
    assert_eq!(decode(&frame(0x88, b"\x03\xe8\xff")), Err(1007));
}

// Evidence: REQ-WS-19
#[test]
fn what_is_too_large_is_refused_by_its_head_and_holds_nothing() {
    let gibibyte = [0x82, 0x80 | 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode(&gibibyte), Err(1009));
    assert_eq!(decode(&frame(0x82, &vec![0; LIMIT + 1])), Err(1009));
    let fragments = [frame(0x02, &vec![0; LIMIT]), frame(0x80, b"x")].concat();
    assert_eq!(decode_in(&mut Decoder::new(LIMIT, None), &fragments, fragments.len()), Err(1009));
    // Empty fragments are counted by nobody and cost nothing.
    let mut decoder = Decoder::new(LIMIT, None);
    let mut octets = frame(0x02, b"");
    for _ in 0..100_000 {
        octets.extend(frame(0x00, b""));
    }
    assert_eq!(decode_in(&mut decoder, &octets, 60_000), Ok(vec![]));
    assert_eq!(decoder.direct().map(|(message, _)| message.capacity()), None);
    assert_eq!(
        decode_in(&mut decoder, &frame(0x80, b"x"), 10),
        Ok(vec![Event::Message(Message::from(vec![b'x']))])
    );
}

#[test]
fn the_mask_is_the_same_by_words_and_by_octets() {
    for length in 0..40 {
        for offset in 0..9 {
            let mut data: Vec<u8> = (0..length).collect();
            let expected: Vec<u8> =
                data.iter().enumerate().map(|(at, octet)| octet ^ KEY[(at + offset) % 4]).collect();
            mask(&mut data, KEY, offset as u64);
            assert_eq!(data, expected, "{length} from {offset}");
        }
    }
}

// Evidence: REQ-WS-26
#[test]
fn what_is_written_is_whole_unmasked_and_as_short_as_can_be() {
    for length in [0, 125, 126, 8191, 8192, 65535, 65536] {
        let mut encoder = Encoder::new(None);
        encoder.message(Message::from(vec![7; length]));
        encoder.pong(Bytes::from_static(b"p"));
        let octets = <[&[u8]; 2]>::from(encoder.unsent()).concat();
        let head = match length {
            0..126 => 2,
            126..65536 => 4,
            _ => 10,
        };
        assert_eq!(octets.len(), head + length + 3);
        assert_eq!((octets[0], octets[1] & 0x80), (0x82, 0));
        assert_eq!(&octets[head + length..], b"\x8a\x01p");
    }
    let mut encoder = Encoder::new(None);
    encoder.close(None);
    encoder.message(Message::from("late"));
    encoder.ping();
    assert_eq!((encoder.unsent().0, encoder.is_closed()), (&b"\x88\x00"[..], true));
}

// Evidence: REQ-WS-23
#[test]
fn an_offer_of_compression_is_accepted_as_it_says_or_declined() {
    let answer =
        |offers: &[&str]| Agreed::of(offers.iter().copied()).map(|agreed| agreed.response());
    let name = "permessage-deflate";
    for (offer, response) in [
        ("permessage-deflate", name.to_owned()),
        ("Permessage-Deflate; client_max_window_bits", name.to_owned()),
        (
            "permessage-deflate; server_no_context_takeover",
            format!("{name}; server_no_context_takeover"),
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            format!("{name}; client_no_context_takeover"),
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            format!("{name}; server_max_window_bits=8"),
        ),
        ("permessage-deflate; server_max_window_bits=15", name.to_owned()),
        (
            "permessage-deflate; client_max_window_bits=\"9\"",
            format!("{name}; client_max_window_bits=9"),
        ),
    ] {
        assert_eq!(answer(&[offer]), Some(response.clone()), "{offer}");
        assert_eq!(answer(&["x-webkit-deflate-frame", offer]), Some(response), "{offer}");
    }
    for declined in [
        "permessage-bzip2",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    ] {
        assert_eq!(answer(&[declined]), None, "{declined}");
        assert_eq!(answer(&[declined, name]), Some(name.to_owned()), "{declined}");
    }
}

// Evidence: REQ-WS-24
#[test]
fn compressed_messages_cross_with_every_parameter_and_both_contexts() {
    let mut noise = 1_u32;
    let mut messages: Vec<Vec<u8>> = (0..40)
        .map(|number| {
            (0..number * 50)
                .map(|at| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if at % 3 == 0 { (noise >> 28) as u8 } else { b'x' }
                })
                .collect()
        })
        .collect();
    messages.push(messages[39].clone());
    for takeover in [true, false] {
        for bits in 8..=15 {
            let agreed = Agreed {
                server_takeover: takeover,
                client_takeover: takeover,
                server_bits: bits,
                client_bits: Some(bits),
            };
            let mut deflater = Deflater::new(&agreed);
            let mut decoder = Decoder::new(LIMIT, Some(&agreed));
            let mut strict = Inflater::new(&agreed);
            for message in &messages {
                let small = deflater.message(message).unwrap();
                let mut out = Vec::new();
                strict.push(&small, &mut out, LIMIT).unwrap();
                strict.finish(&mut out, LIMIT).unwrap();
                assert_eq!(&out, message);
                let (first, rest) = small.split_at(small.len() / 2);
                let octets = [frame(0x42, first), frame(0x80, rest)].concat();
                let event = Event::Message(Message::from(message.clone()));
                assert_eq!(
                    decode_in(&mut decoder, &octets, 11),
                    Ok(vec![event]),
                    "{bits} {takeover}"
                );
            }
        }
    }
}

// Evidence: REQ-WS-24
#[test]
fn a_window_of_8_bits_reaches_back_no_further_than_that() {
    let mut noise = 1_u32;
    let block: Vec<u8> = (0..257)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .collect();
    let length = |bits| {
        let agreed = Agreed {
            server_takeover: true,
            client_takeover: true,
            server_bits: bits,
            client_bits: None,
        };
        Deflater::new(&agreed).message(&block.repeat(2)).unwrap().len()
    };
    assert!(length(15) < 300 && length(8) > 500, "{} {}", length(15), length(8));
}

// Evidence: REQ-WS-25
#[test]
fn a_bomb_is_stopped_at_the_limit_and_what_does_not_inflate_is_1007() {
    let agreed = Agreed::of(["permessage-deflate"]).unwrap();
    let mut deflater = Deflater::new(&agreed);
    let bomb = deflater.message(&vec![0; 10 * 1024 * 1024]).unwrap();
    assert!(bomb.len() < 110_000, "{}", bomb.len());
    let mut out = Vec::new();
    let mut inflater = Inflater::new(&agreed);
    let error = inflater.push(&bomb, &mut out, LIMIT).unwrap_err();
    assert_eq!(u16::from(error.code), 1009);
    assert!(out.capacity() <= 2 * LIMIT, "{}", out.capacity());
    assert_eq!(decode_with(Some(agreed), &frame(0xc2, &bomb[..bomb.len().min(90_000)])), Err(1009));
    assert_eq!(decode_with(Some(agreed), &frame(0xc2, b"\xff\xff\xff")), Err(1007));
    // As large as the limit is not too large, and text is checked after it was inflated.
    let fits = Deflater::new(&agreed).message(&vec![b'x'; LIMIT]).unwrap();
    assert_eq!(decode_with(Some(agreed), &frame(0xc1, &fits)).map(|events| events.len()), Ok(1));
    let bad = Deflater::new(&agreed).message(b"\xff\xff\xff\xff").unwrap();
    assert_eq!(decode_with(Some(agreed), &frame(0xc1, &bad)), Err(1007));
    // A last block, and one that is stored (RFC 7692, sections 7.2.3.3 and 7.2.3.4).
    let stored = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    assert_eq!(decode_with(Some(agreed), &frame(0xc1, stored)), Ok(vec![text("Hello")]));
    let last = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    assert_eq!(decode_with(Some(agreed), &frame(0xc1, last)), Ok(vec![text("Hello")]));
}

#[test]
fn the_examples_of_the_rfc_are_what_they_say() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode(&hello), Ok(vec![text("Hello")]));
    let head = Head { fin: true, compressed: false, opcode: Opcode::Text, length: 5, mask: KEY };
    assert_eq!(Head::read(&hello), Ok(Some((head, 6))));
    let agreed = Agreed::of(["permessage-deflate"]).unwrap();
    let mut decoder = Decoder::new(LIMIT, Some(&agreed));
    // The second one refers to the first (RFC 7692, section 7.2.3.2).
    for payload in [&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], b"\xf2\x00\x11\x00\x00"] {
        assert_eq!(decode_in(&mut decoder, &frame(0xc1, payload), 100), Ok(vec![text("Hello")]));
    }
}

/// The empty last block of fixed codes: a client may say of each block that it is the last (section 7.2.3.5).
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

// What is said in one read must not cost a call within a call for each block: the stack ends before the limit does.
#[test]
fn a_message_of_nothing_but_last_blocks_costs_no_stack() {
    let agreed = Agreed::of(["permessage-deflate"]).unwrap();
    let blocks = LAST_BLOCK.repeat(400_000);
    let mut out = Vec::new();
    let mut inflater = Inflater::new(&agreed);
    inflater.push(&blocks, &mut out, LIMIT).unwrap();
    inflater.finish(&mut out, LIMIT).unwrap();
    assert!(out.is_empty());
}

#[test]
fn no_limit_is_a_limit_that_can_be_written() {
    let agreed = Agreed::of(["permessage-deflate"]);
    let deflated = Deflater::new(&agreed.unwrap()).message(&[b'a'; 1000]).unwrap();
    let mut decoder = Decoder::new(usize::MAX, agreed.as_ref());
    let octets = frame(0xc1, &deflated);
    let events = decode_in(&mut decoder, &octets, octets.len());
    assert_eq!(events, Ok(vec![text(&"a".repeat(1000))]));
}
